# Completion of pfntrack for bash 4 and newer, made from its parser: `pfntrack completion bash`.

declare -gA _pfntrack_actions=() _pfntrack_options=() _pfntrack_arguments=()
declare -gA _pfntrack_values=() _pfntrack_words=()
_pfntrack_actions[-]='run compare scenarios check race bugs study conform lab triage explain collect audit record replay report repro step serve schema completion'
_pfntrack_options[-]='-h --help --version'
_pfntrack_options[run]='-h --help --release --design --picture --json --html'
_pfntrack_arguments[run]=scenario
_pfntrack_values['run --release']=release
_pfntrack_values['run --design']=design
_pfntrack_values['run --html']=file
_pfntrack_options[compare]='-h --help --with --explore --preset --bounds --ops --fields --depth --time -o --output --json --html'
_pfntrack_arguments[compare]='scenario ...'
_pfntrack_values['compare --with']=model,
_pfntrack_values['compare --explore']='model model'
_pfntrack_values['compare --preset']=compare_preset
_pfntrack_values['compare --bounds']=nothing
_pfntrack_values['compare --ops']=operations,
_pfntrack_values['compare --fields']=nothing
_pfntrack_values['compare --depth']=nothing
_pfntrack_values['compare --time']=nothing
_pfntrack_values['compare -o']=file
_pfntrack_values['compare --output']=file
_pfntrack_values['compare --html']=file
_pfntrack_actions[scenarios]='list show test format'
_pfntrack_options[scenarios]='-h --help'
_pfntrack_options['scenarios list']='-h --help --tag --json'
_pfntrack_arguments['scenarios list']='nothing ...'
_pfntrack_values['scenarios list --tag']=tag
_pfntrack_options['scenarios show']='-h --help'
_pfntrack_arguments['scenarios show']=scenario
_pfntrack_options['scenarios test']='-h --help --with'
_pfntrack_arguments['scenarios test']='scenario ...'
_pfntrack_values['scenarios test --with']=model,
_pfntrack_options['scenarios format']='-h --help --check --in-place'
_pfntrack_arguments['scenarios format']='scenario ...'
_pfntrack_options[check]='-h --help --release --design --property --preset --bounds --ops --symmetry --concurrent --depth --time --memory --all --workers --hash-only --checkpoint --interval --resume --output --no-output --quiet --json --ktap --junit --html'
_pfntrack_values['check --release']=release
_pfntrack_values['check --design']=design
_pfntrack_values['check --property']=property,
_pfntrack_values['check --preset']=check_preset
_pfntrack_values['check --bounds']=nothing
_pfntrack_values['check --ops']=operations,
_pfntrack_values['check --depth']=nothing
_pfntrack_values['check --time']=nothing
_pfntrack_values['check --memory']=nothing
_pfntrack_values['check --workers']=nothing
_pfntrack_values['check --checkpoint']=file
_pfntrack_values['check --interval']=nothing
_pfntrack_values['check --resume']=file
_pfntrack_values['check --output']=directory
_pfntrack_values['check --html']=file
_pfntrack_options[race]='-h --help --release --design --limit -o --output --json'
_pfntrack_arguments[race]=scenario
_pfntrack_values['race --release']=release
_pfntrack_values['race --design']=design
_pfntrack_values['race --limit']=nothing
_pfntrack_values['race -o']=directory
_pfntrack_values['race --output']=directory
_pfntrack_options[bugs]='-h --help --json --markdown --ktap --junit --save --workers'
_pfntrack_arguments[bugs]='nothing ...'
_pfntrack_values['bugs --save']=directory
_pfntrack_values['bugs --workers']=bugs_workers
_pfntrack_options[study]='-h --help --designs --property --preset --bounds --ops --time --jobs --save --json --markdown --into'
_pfntrack_values['study --designs']=design,
_pfntrack_values['study --property']=property,
_pfntrack_values['study --preset']=study_preset
_pfntrack_values['study --bounds']=nothing
_pfntrack_values['study --ops']=operations,
_pfntrack_values['study --time']=nothing
_pfntrack_values['study --jobs']=nothing
_pfntrack_values['study --save']=directory
_pfntrack_values['study --into']=file
_pfntrack_options[conform]='-h --help --traces --kernel --json'
_pfntrack_values['conform --traces']=directory
_pfntrack_values['conform --kernel']=kernel,
_pfntrack_actions[lab]='kernels fetch build run record conform diff fuzz'
_pfntrack_options[lab]='-h --help'
_pfntrack_options['lab kernels']='-h --help'
_pfntrack_options['lab fetch']='-h --help'
_pfntrack_arguments['lab fetch']='kernel ...'
_pfntrack_options['lab build']='-h --help --patch --debug --show --jobs'
_pfntrack_arguments['lab build']=nothing
_pfntrack_values['lab build --patch']=nothing
_pfntrack_values['lab build --jobs']=nothing
_pfntrack_options['lab run']='-h --help --kernel --tree --headers --module --design --jobs --dry-run --json --html'
_pfntrack_arguments['lab run']=scenario
_pfntrack_values['lab run --kernel']=kernel,
_pfntrack_values['lab run --tree']=directory
_pfntrack_values['lab run --headers']=directory
_pfntrack_values['lab run --module']=nothing
_pfntrack_values['lab run --design']=design
_pfntrack_values['lab run --jobs']=nothing
_pfntrack_values['lab run --html']=file
_pfntrack_options['lab record']='-h --help --kernel --tree --headers --module --design --jobs --dry-run --out'
_pfntrack_arguments['lab record']='scenario ...'
_pfntrack_values['lab record --kernel']=kernel,
_pfntrack_values['lab record --tree']=directory
_pfntrack_values['lab record --headers']=directory
_pfntrack_values['lab record --module']=nothing
_pfntrack_values['lab record --design']=design
_pfntrack_values['lab record --jobs']=nothing
_pfntrack_values['lab record --out']=directory
_pfntrack_options['lab conform']='-h --help --kernel --tree --headers --module --design --jobs --dry-run --ktap --json --html --junit --traces'
_pfntrack_arguments['lab conform']='scenario ...'
_pfntrack_values['lab conform --kernel']=kernel,
_pfntrack_values['lab conform --tree']=directory
_pfntrack_values['lab conform --headers']=directory
_pfntrack_values['lab conform --module']=nothing
_pfntrack_values['lab conform --design']=design
_pfntrack_values['lab conform --jobs']=nothing
_pfntrack_values['lab conform --html']=file
_pfntrack_values['lab conform --junit']=file
_pfntrack_values['lab conform --traces']=directory
_pfntrack_options['lab diff']='-h --help --patch --design --steps --seed --jobs --only-random --mail --out --json'
_pfntrack_arguments['lab diff']='nothing nothing'
_pfntrack_values['lab diff --patch']=nothing
_pfntrack_values['lab diff --design']=design
_pfntrack_values['lab diff --steps']=nothing
_pfntrack_values['lab diff --seed']=nothing
_pfntrack_values['lab diff --jobs']=nothing
_pfntrack_values['lab diff --out']=directory
_pfntrack_options['lab fuzz']='-h --help --kernel --tree --headers --module --design --jobs --dry-run --seed --steps --vfio --corpus --out'
_pfntrack_values['lab fuzz --kernel']=kernel,
_pfntrack_values['lab fuzz --tree']=directory
_pfntrack_values['lab fuzz --headers']=directory
_pfntrack_values['lab fuzz --module']=nothing
_pfntrack_values['lab fuzz --design']=design
_pfntrack_values['lab fuzz --jobs']=nothing
_pfntrack_values['lab fuzz --seed']=nothing
_pfntrack_values['lab fuzz --steps']=nothing
_pfntrack_values['lab fuzz --corpus']=directory
_pfntrack_values['lab fuzz --out']=directory
_pfntrack_options[triage]='-h --help --json --mail --html --memtype-list --iomem --lspci --maps --kernel --snapshot'
_pfntrack_arguments[triage]='file ...'
_pfntrack_values['triage --html']=file
_pfntrack_values['triage --memtype-list']=file
_pfntrack_values['triage --iomem']=file
_pfntrack_values['triage --lspci']=file
_pfntrack_values['triage --maps']=file
_pfntrack_values['triage --kernel']=release
_pfntrack_values['triage --snapshot']=directory
_pfntrack_options[explain]='-h --help --list --markdown'
_pfntrack_arguments[explain]='code ...'
_pfntrack_options[collect]='-h --help -o --output --redact --samples'
_pfntrack_values['collect -o']=directory
_pfntrack_values['collect --output']=directory
_pfntrack_values['collect --samples']=nothing
_pfntrack_options[audit]='-h --help --snapshot --live --vmcore --qemu --memtype-list --lspci --iomem --mtrr --vmlinux --json --mail --html --bar --range --type --from --cycle --interval --cycles'
_pfntrack_arguments[audit]='nothing ...'
_pfntrack_values['audit --snapshot']=directory
_pfntrack_values['audit --vmcore']=file
_pfntrack_values['audit --qemu']=file
_pfntrack_values['audit --memtype-list']=file
_pfntrack_values['audit --lspci']=file
_pfntrack_values['audit --iomem']=file
_pfntrack_values['audit --mtrr']=file
_pfntrack_values['audit --vmlinux']=file
_pfntrack_values['audit --html']=file
_pfntrack_values['audit --bar']=nothing
_pfntrack_values['audit --range']=nothing
_pfntrack_values['audit --type']=nothing
_pfntrack_values['audit --from']=directory
_pfntrack_values['audit --cycle']=nothing
_pfntrack_values['audit --interval']=nothing
_pfntrack_values['audit --cycles']=nothing
_pfntrack_options[record]='-h --help -o --output -p --pid -a --all --for --limit --clean'
_pfntrack_arguments[record]='nothing ...'
_pfntrack_values['record -o']=file
_pfntrack_values['record --output']=file
_pfntrack_values['record -p']=nothing
_pfntrack_values['record --pid']=nothing
_pfntrack_values['record --for']=nothing
_pfntrack_values['record --limit']=nothing
_pfntrack_options[replay]='-h --help --release --all --scenario --minimise --json'
_pfntrack_arguments[replay]=file
_pfntrack_values['replay --release']=release
_pfntrack_values['replay --scenario']=scenario
_pfntrack_options[report]='-h --help -o --output --release --design --with'
_pfntrack_arguments[report]='scenario ...'
_pfntrack_values['report -o']=file
_pfntrack_values['report --output']=file
_pfntrack_values['report --release']=release
_pfntrack_values['report --design']=design
_pfntrack_values['report --with']=model,
_pfntrack_options[repro]='-h --help --release --design --property -o --output --mail --run --kernel --tree --headers --module --json'
_pfntrack_arguments[repro]='scenario ...'
_pfntrack_values['repro --release']=release
_pfntrack_values['repro --design']=design
_pfntrack_values['repro --property']=property,
_pfntrack_values['repro -o']=file
_pfntrack_values['repro --output']=file
_pfntrack_values['repro --kernel']=kernel,
_pfntrack_values['repro --tree']=directory
_pfntrack_values['repro --headers']=directory
_pfntrack_values['repro --module']=nothing
_pfntrack_options[step]='-h --help --release --design --plain'
_pfntrack_arguments[step]=scenario
_pfntrack_values['step --release']=release
_pfntrack_values['step --design']=design
_pfntrack_options[serve]='-h --help --port --no-browser'
_pfntrack_values['serve --port']=nothing
_pfntrack_options[schema]='-h --help'
_pfntrack_arguments[schema]=schema_name
_pfntrack_options[completion]='-h --help'
_pfntrack_arguments[completion]=completion_shell
_pfntrack_words[release]='5.10 6.1 6.12 7.3 3.7 4.5 5.5-rc 6.2 6.8 6.10 6.14 6.12.25 6.16'
_pfntrack_words[model]='5.10 6.1 6.12 7.3 3.7 4.5 5.5-rc 6.2 6.8 6.10 6.14 6.12.25 6.16 vm-pat-2012 vm-pat-2015 interval-tree-off-by-one vm-pat-5.10 vm-pat-2023 vm-pat-2024 vm-pat-fork-window vm-pat untrack-at-unmap pfn-per-vma driver-hook side-table forbid-partial-zap caller-managed split-reservation counted-tree track-context context-ram context-list context-list-early reserve-at-mmap ours-at-unmap mapcount ours'
_pfntrack_words[design]='vm-pat-2012 vm-pat-2015 interval-tree-off-by-one vm-pat-5.10 vm-pat-2023 vm-pat-2024 vm-pat-fork-window vm-pat untrack-at-unmap pfn-per-vma driver-hook side-table forbid-partial-zap caller-managed split-reservation counted-tree track-context context-ram context-list context-list-early reserve-at-mmap ours-at-unmap mapcount ours'
_pfntrack_words[property]='I1 I2 I3 I4 I5 I6 I7 I9 I10 tight'
_pfntrack_words[operations]='map over part narrow private sysfs fault munmap protect advise shrink move write zap zapvma remap insert fork forkfail mapfail latefail exit ioremap reserve claim'
_pfntrack_words[tag]='B14 B15 B20 B22 B22b B23 B26 B27 B28 B29 B30 B31 B32 B33 B35 B36 B37 B38 B43 B48 B49 B51 bug conflict driver end-match fail failure fault fork ioremap kernel madvise map mmap mprotect mremap munmap partial-remap private race ram recorded remap revoke row-H1 row-H2 row-H4 row-H6 row-I1 row-I10 row-I2 row-I4 row-I5 row-I6 row-I7 row-I8 row-M1 row-N1 row-N2 row-P2 row-P3 row-P4 row-P5 row-P6 row-R1 row-R2 row-S1 row-S10 row-S11 row-S12 row-S12b row-S13 row-S14 row-S15 row-S16 row-S17 row-S17b row-S17c row-S17d row-S18 row-S18b row-S2 row-S20 row-S20b row-S22 row-S22c row-S22d row-S2b row-S3 row-S34 row-S34b row-S34c row-S34d row-S35 row-S36 row-S36b row-S37 row-S4 row-S5 row-S6 row-S7 row-S8 row-S9 row-T1 row-T10 row-T10b row-T10d row-T10e row-T10g row-T10h row-T10i row-T11 row-T12 row-T13 row-T14 row-T15b row-T15c row-T16 row-T16b row-T16c row-T16d row-T17 row-T18 row-T19 row-T2 row-T20 row-T21 row-T22 row-T22b row-T22c row-T23 row-T23b row-T23c row-T29 row-T3 row-T3b row-T4 row-T5 row-T6 row-T7 row-T8 row-T8b row-T9 row-V1 row-V2 thread tlb truncate twice two-remaps vfio zap'
_pfntrack_words[code]='RAM_TYPE_OVERRIDDEN RAM_TYPE_ALREADY_SET REQ_UC_EXISTING_WB REQ_WP_ENCODED_AS_OTHER RANGE_SPANS_MIXED_OWNERS RANGE_CROSSES_RESOURCE RANGE_BOGUS CONFLICT_UNDERSPECIFIED STALE_OR_LIVE_GPU_RESERVATION LIVE_DRIVER_VS_XORG LIVE_DRIVER_VS_FBDEV KERNEL_BUG_SANITIZE_PHYS KERNEL_BUG_SIGN_EXTENSION KERNEL_BUG_MREMAP_SHRINK KERNEL_BUG_VMA_SPLIT KERNEL_BUG_AMBIGUOUS_FREE UNMAP_SHAPE_DIFFERS SET_MEMORY_ON_TRACKED_PMEM UNTRACK_AFTER_ZAP UNTRACK_FROM_ZAP_WITHOUT_MMAP_LOCK UNTRACK_COW_FIRST_PAGE UNTRACK_FAILED_FORK UNTRACK_AFTER_FAILED_REMAP UNTRACK_MREMAP_MOVE TRACKCTX_SECOND_REMAP PARTIAL_REMAP_LOOKUP_MIXED SILENT_DOWNGRADE_ADJACENT REMAP_WITHOUT_WRITE_LOCK REMAP_OVER_EXISTING INSERT_PFN_WRONG_VMA REMAP_UNALIGNED IOREMAP_ON_RAM IOREMAP_BAD_REQUEST IOREMAP_FAILED MEMREMAP_REFUSED IOUNMAP_BAD_ADDRESS SET_MEMORY_UNMAPPED PFNMAP_NOT_PINNABLE BAR_MMAP_REFUSED MMAP_FAILED_SILENTLY LOOKUP_IN_STALL FORK_COPY_FAILED BAD_PAGE_MAP_PFNMAP UNCLASSIFIED_TRACE PAT_OFF PAT_CPUS_DIFFER WC_UNAVAILABLE_TO_DRIVER FRAMEBUFFER_NOT_MAPPED MTRR_REQUEST_REFUSED MTRR_CPUS_DIFFER MTRR_STATE CHECK_WC_OF_BAR PAT_OFF_BECAUSE_MTRR_OFF PAT_OFF_CPU PAT_OFF_USER XEN_PV_PAT_LAYOUT MTRR_LEGACY_OVERLAP MTRR_TRIM NOT_PAT HEALTHY SYNTHETIC_RULE_CHECK'
_pfntrack_words[kernel]='5.10 6.1 6.12 7.3'
_pfntrack_words[scenario]='across-1m adjacent-wc-uc cached-bar-above-4g cached-leak-blocks-driver child-splits-and-exits claim-part-of-devmem claim-private-devmem claim-sysfs conflict-two-types conflict-wc-then-uc debugger-reads-copy devmem-fails-at-second-table devmem-low-ram-cached devmem-low-ram-uncached devmem-ram devmem-video-memory dontfork driver-fails-after-remap end-match-other-owner fail-fork-copy fail-fork-pagetable-2nd fail-mmap-pagetable fail-mmap-reserve fail-split fault-insert-zap fault-insert fault-wc-under-ioremap fault-without-reservation fork-after-munmap-head fork-after-split fork-allocation-fails fork-child-first fork-devmem-wb fork-exit fork-fails-at-later-mapping fork-fails-in-page-table fork-parent-first fork-reservation-fails fork-three fork-truncate-middle fork-zap-first half-over-wc iomap-with-offset ioremap-types kernel-uc-then-user-wc last-page-of-memory leak-then-ioremap lock-and-close madvise-split-munmap madvise map-and-unmap map-cache-modes-no-mtrr map-devmem-over-wc map-devmem-wb map-freed-part-other-type map-kill map-over-the-middle map-uncached-over-wc map-wc-over-uncached map-wc mprotect-none mprotect-split-munmap mprotect-whole mremap-expand mremap-fails mremap-first-page-fails mremap-first-page mremap-last-page mremap-move-part mremap-move mremap-part mremap-refused mremap-shrink-and-move mremap-shrink-twice mremap-shrink-unmap mremap-shrink mremap-whole mtrr-edge-below-1m munmap-first-page munmap-from-the-top munmap-head munmap-middle-exit munmap-middle-zap munmap-remap-hole munmap-tail nopat-private-fork nopat open-zaps-mremap open-zaps-split-head open-zaps-split-tail other-owner-shrunk other-owner-taken other-page-after-zap over-two-types overlapping-partial-munmap page-by-page part-half-wc part-over-two-types part-under-ioremap part-without-reservation partial-remap-mixed private-copy-moved-away private-first-written-fork private-fork-write-grandchild private-fork private-made-writable private-other-written-fork private-partial private-piece-fork private-remap-fails private-revoke private-truncate-by-file-page private-truncate-by-pfn private-truncate-keeping-copies private-truncate-one-page private-write-after-truncate private-write-exit private-write-first private-write-other-fork private-written-mremap private-written-munmap private-zap-pgoff protect-none-fork race-fault-truncate race-first-faults race-fork-fails race-fork-truncate race-map-truncate race-mremap-truncate race-tlb-window race-two-zaps race-unmap-truncate race-zap-without-lock ram-asked-wc ram-remap-shifted-twice ram-then-acpi ram-wc remap-allocation-fails remap-fails-at-first-table remap-fails-at-second-table remap-shifted-twice remap-zap-remap revoke-bind-fork revoke-bind revoke-bound seal split-head-first split-then-fork split-then-killed split-truncate-all split-truncate-piece truncate-all truncate-fork-mremap truncate-head truncate-middle-fork truncate-middle-mremap truncate-middle truncate-tail truncate-then-ioremap truncate-twice twice-nested two-remaps uncached-then-wc vfio-fail-fault vfio-fork-memory-off vfio-huge-memory-off vfio-madvise vfio-memory-off vfio-mprotect-split vfio-mremap-memory-off vfio-mremap-shrink vfio-munmap-head vfio-two-maps wc-then-uncached write-through-fork write-through-over-others zap-all-exit zap-all-then-munmap zap-beyond zap-first-fork zap-one-page-alias zap-read zap-remap-other-type zap-twice zap-vma-ptes'
_pfntrack_words[compare_preset]='quick default deep'
_pfntrack_words[check_preset]='quick default deep'
_pfntrack_words[bugs_workers]='1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64'
_pfntrack_words[study_preset]='quick default deep'
_pfntrack_words[schema_name]='state run comparison conformance repro check race concurrent bugs difference labdiff study triage audit audit-place audit-diff audit-watch replay'
_pfntrack_words[completion_shell]='bash zsh fish'

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
