# Completion of pfntrack for fish, made from its parser: `pfntrack completion fish`.

@TABLE@

function __pfntrack_complete
    set -l words (commandline -opc)[2..]
    set -l current (commandline -ct)
    set -l place -
    set -l number 0
    set -l expected
    for word in $words
        if test (count $expected) -gt 0
            set -e expected[1]
        else if string match -q -- '-*=*' $word
            continue
        else if string match -q -- '-*' $word
            set expected (__pfntrack_values "$place $word")
        else if contains -- $word (__pfntrack_actions $place | string replace -r '\t.*' '')
            test $place = -; and set place $word; or set place "$place $word"
            set number 0
        else
            set number (math $number + 1)
        end
    end
    set -l kind
    set -l head
    if test (count $expected) -gt 0
        set kind $expected[1]
    else if string match -q -- '--*=*' $current
        set head (string replace -r '=.*' '=' -- $current)
        set kind (__pfntrack_values "$place "(string replace -r '=.*' '' -- $current))[1]
        set current (string replace -r '^[^=]*=' '' -- $current)
    else if string match -q -- '-*' $current
        __pfntrack_options $place
        return
    else
        set -l actions (__pfntrack_actions $place)
        if test (count $actions) -gt 0
            printf '%s\n' $actions
            return
        end
        set -l arguments (__pfntrack_arguments $place)
        if test (count $arguments) -gt 0
            set -l at (math $number + 1)
            if test $arguments[-1] = ...; and test $at -ge (count $arguments)
                set kind $arguments[-2]
            else if test $at -le (count $arguments)
                set kind $arguments[$at]
            end
        end
    end
    switch "$kind"
        case '*,'
            set -l before (string match -r -- '^.*,' $current)
            for word in (__pfntrack_words (string replace , '' -- $kind))
                contains -- $word (string split , -- $before); or echo "$head$before$word"
            end
        case file
            __fish_complete_path $current | string replace -r '^' -- "$head"
        case directory
            __fish_complete_directories $current | string replace -r '^' -- "$head"
        case scenario
            __pfntrack_words scenario
            __fish_complete_path $current | string match -r '^.*(?:/|\.pfn|\.json)(?:\t.*)?$'
        case code
            __pfntrack_words code
            __fish_complete_path $current
        case nothing ''
        case '*'
            __pfntrack_words $kind | string replace -r '^' -- "$head"
    end
end

complete -c pfntrack -f -a '(__pfntrack_complete)'
