#compdef pfntrack
# Completion of pfntrack for zsh, made from its parser: `pfntrack completion zsh`.

typeset -gA _pfntrack_actions _pfntrack_options _pfntrack_arguments
typeset -gA _pfntrack_values _pfntrack_words
@TABLE@

_pfntrack() {
    local place=- kind= word key argument=
    local -a expected arguments menu
    local -i index number=0
    for ((index = 2; index < CURRENT; index++)); do
        word=${words[index]}
        key="$place ${word%%=*}"
        if ((${#expected})); then
            shift expected
        elif [[ $word == -*=* ]]; then
            :
        elif [[ $word == -* ]]; then
            expected=(${=_pfntrack_values[$key]})
        elif [[ -n ${(M)${(f)_pfntrack_actions[$place]}:#${(b)word}:*} ]]; then
            place="${place#-} $word" place=${place# } number=0
        else
            ((number += 1))
        fi
    done
    if ((${#expected})); then
        kind=${expected[1]}
    elif [[ $PREFIX == --*=* ]]; then
        key="$place ${PREFIX%%=*}"
        expected=(${=_pfntrack_values[$key]})
        kind=${expected[1]}
        compset -P 1 '*='
    else
        argument=1
        arguments=(${=_pfntrack_arguments[$place]})
        if ((number < ${#arguments})) && [[ ${arguments[number+1]} != ... ]]; then
            kind=${arguments[number+1]}
        elif [[ ${arguments[-1]} == ... ]]; then
            kind=${arguments[-2]}
        fi
    fi
    if [[ -n $argument && $PREFIX == -* ]]; then
        menu=(${(f)_pfntrack_options[$place]})
        _describe -o option menu
        return
    fi
    if [[ -n $argument && -n ${_pfntrack_actions[$place]} ]]; then
        menu=(${(f)_pfntrack_actions[$place]})
        _describe command menu
        return
    fi
    case $kind in
        (*,) menu=(${=_pfntrack_words[${kind%,}]}); _sequence -s , compadd - -a menu ;;
        (file) _files ;;
        (directory) _files -/ ;;
        (nothing|'') _message 'nothing to complete' ;;
        (scenario)
            menu=(${=_pfntrack_words[scenario]})
            _alternative 'names:scenario:compadd -a menu' 'files:file:_files -g "*.(pfn|json)"'
            ;;
        (code)
            menu=(${=_pfntrack_words[code]})
            _alternative 'codes:code:compadd -a menu' 'files:file:_files'
            ;;
        (*) menu=(${=_pfntrack_words[$kind]}); compadd -a menu ;;
    esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _pfntrack "$@"
else
    compdef _pfntrack pfntrack
fi
