" Highlighting of pfntrack scenarios, made from their grammar: python -m tools.editors
if exists('b:current_syntax')
  finish
endif
syn case match
setlocal iskeyword+=-
syn match pfnWindow '\<[A-Z]\w*'
syn match pfnNumber '\<\(0x\x\+\|\d\+\)\>'
syn keyword pfnOperation BAR BUG DONTUNMAP FIXED MAYMOVE O_SYNC RAM WARN WC advises allocates anonymous as at binds bits breaks by call closes conflicting copied copies debugger driver entries error exits expected fail failing for fork forks freeing frees got in inserts invalid ioremap ioremaps iounmaps is keeping keeps kernel killed layout leaks limit line locks log mapping mappings maps memory moves mremaps mtrr no none not of off on opens overcommit page pages pat physical prefetchable private prot protects reads releases remaps requests reservations reserves seals sets shared stop struck sysctl the through to tracked turns types unbinds unlocks unmaps untracked vfio vma wanted while with writes zaps
syn keyword pfnBlock about end expect finally machine scenario schedule tags window
syn match pfnProperty '\<I\d\+\>\|\<tight\>'
syn match pfnType '\<\(UC-\|UC\|WC\|WT\|WP\|WB\)\ze\([^A-Za-z0-9_]\|$\)'
syn match pfnType '\<resource\d*\(_wc\)\?\>'
syn match pfnFile '\<fd\d\+'
syn region pfnText start='"' skip='\\"' end='"' oneline
syn match pfnComment '#.*$'
hi def link pfnWindow Identifier
hi def link pfnNumber Number
hi def link pfnOperation Statement
hi def link pfnBlock PreProc
hi def link pfnProperty Special
hi def link pfnType Type
hi def link pfnFile Identifier
hi def link pfnText String
hi def link pfnComment Comment
let b:current_syntax = 'pfn'
