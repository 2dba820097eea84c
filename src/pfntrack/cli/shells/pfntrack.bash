# Completion of pfntrack for bash 4 and newer, made from its parser: `pfntrack completion bash`.

declare -gA _pfntrack_actions=() _pfntrack_options=() _pfntrack_arguments=()
declare -gA _pfntrack_values=() _pfntrack_words=()
@TABLE@

# Sets what stands at the cursor: `place` (command and action), `kind` of the value there.
_pfntrack_where() {
    local word number=0 expected=() index
    place=- kind=
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ $word == = ]]; then
            continue
        elif ((${#expected[@]})); then
            expected=("${expected[@]:1}")
        elif [[ $word == -* ]]; then
            read -ra expected <<<"${_pfntrack_values["$place $word"]-}"
        elif [[ " ${_pfntrack_actions[$place]-} " == *" $word "* ]]; then
            place="${place#-} $word" place=${place# } number=0
        else
            ((number++))
        fi
    done
    if ((${#expected[@]})); then
        kind=${expected[0]}
        return
    fi
    local -a arguments
    read -ra arguments <<<"${_pfntrack_arguments[$place]-}"
    if ((number < ${#arguments[@]})) && [[ ${arguments[number]} != ... ]]; then
        kind=${arguments[number]}
    elif ((${#arguments[@]} > 1)) && [[ ${arguments[-1]} == ... ]]; then
        kind=${arguments[-2]}
    fi
    argument=1
}

_pfntrack() {
    local cur=${COMP_WORDS[COMP_CWORD]} place kind argument= before= IFS=$' \t\n'
    [[ $cur == = ]] && cur=
    COMPREPLY=()
    _pfntrack_where
    if [[ $argument && $cur == -* ]]; then
        COMPREPLY=($(compgen -W "${_pfntrack_options[$place]-}" -- "$cur"))
        return
    fi
    if [[ $argument && ${_pfntrack_actions[$place]-} ]]; then
        COMPREPLY=($(compgen -W "${_pfntrack_actions[$place]}" -- "$cur"))
        return
    fi
    if [[ $kind == *, ]]; then
        # What is already there stays, and is not offered again.
        [[ $cur == *,* ]] && before=${cur%,*},
        local word words=
        for word in ${_pfntrack_words[${kind%,}]-}; do
            [[ ",$before" == *",$word,"* ]] || words+="$before$word "
        done
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
        compopt -o nospace 2>/dev/null
        return
    fi
    local IFS=$'\n'
    case $kind in
        nothing | '') ;;
        file) COMPREPLY=($(compgen -f -- "$cur")) && compopt -o filenames 2>/dev/null ;;
        directory) COMPREPLY=($(compgen -d -- "$cur")) && compopt -o filenames 2>/dev/null ;;
        *)
            COMPREPLY=($(IFS=' ' && compgen -W "${_pfntrack_words[$kind]-}" -- "$cur"))
            if [[ $kind == scenario ]]; then
                COMPREPLY+=($(compgen -d -S / -- "$cur"; compgen -f -X '!*.pfn' -- "$cur"
                    compgen -f -X '!*.json' -- "$cur"))
            elif [[ $kind == code && ! ${COMPREPLY[*]} ]]; then
                COMPREPLY=($(compgen -f -- "$cur"))
            fi
            ;;
    esac
}

complete -F _pfntrack pfntrack
