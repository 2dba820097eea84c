------------------------------ MODULE Context ------------------------------
(* Tracking by contexts (6.16 to 7.3) for a search by TLC: the same states  *)
(* and transitions as `pfntrack check --release 7.3 --ops                   *)
(* map,munmap,protect,zap,fork,exit` on two virtual pages, with as many     *)
(* VMAs as can come up. A reservation stands for its context, whose count   *)
(* follows from the VMAs that name it. Each step is one operation, and each *)
(* operation is one disjunct of Next, so that TLC counts what we count.     *)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS P,    \* processes at most
          N,    \* physical pages, all of one file
          R     \* reservations at most

VARIABLES tree,     \* the reservations in the order of the tree
          spaces    \* for each process that lives, by birth: the set of its VMAs

vars == <<tree, spaces>>

V == 2                      \* virtual pages of a process
Types == {"UC-", "WC"}      \* what the two ways to open the file ask for

(* Ranges are [from, to), of pages of either kind. *)
Ranges(pages) == {r \in [from : 0..pages, to : 0..pages] : r.from < r.to}
Virtual  == Ranges(V)
Physical == Ranges(N)
Pages(r) == r.from .. r.to - 1
Length(r) == r.to - r.from
Meet(r, s) == r.from < s.to /\ s.from < r.to
Same(r, s) == r.from = s.from /\ r.to = s.to

Reservation == [from : 0..N, to : 0..N, type : Types]

(* `off` is the page of the file that the first page maps, `here` are the   *)
(* pages whose entries are present, `of` is the place of the reservation.   *)
VMA == [from : 0..V, to : 0..V, off : 0..N, file : Types, ro : BOOLEAN,
        here : SUBSET (0 .. V-1), of : 1..R]

Min(S) == CHOOSE n \in S : \A m \in S : n <= m

Without(seq, i) == SubSeq(seq, 1, i - 1) \o SubSeq(seq, i + 1, Len(seq))
With(seq, i, new) == SubSeq(seq, 1, i - 1) \o <<new>> \o SubSeq(seq, i, Len(seq))

----------------------------------------------------------------------------
(* VMAs.                                                                    *)

Hit(vmas, r) == {v \in vmas : Meet(v, r)}

(* The part of VMA `v` on the pages of `r`, as a set of one or none.        *)
Part(v, r) ==
  IF ~Meet(v, r)
  THEN {}
  ELSE LET from == IF v.from < r.from THEN r.from ELSE v.from
           to   == IF r.to < v.to THEN r.to ELSE v.to
       IN  {[v EXCEPT !.from = from, !.to = to, !.off = @ + (from - v.from),
                      !.here = @ \cap (from .. to - 1)]}

(* What lies inside and outside of `r`; what crosses its ends is split.     *)
Inside(vmas, r)  == UNION {Part(v, r) : v \in vmas}
Outside(vmas, r) == UNION {Part(v, [from |-> 0, to |-> r.from])
                             \cup Part(v, [from |-> r.to, to |-> V]) : v \in vmas}

(* Every VMA names its reservation by a new number.                         *)
Renumbered(all, New(_)) ==
  [p \in DOMAIN all |-> {[v EXCEPT !.of = New(@)] : v \in all[p]}]

----------------------------------------------------------------------------
(* The end of VMAs, on a record of both variables, as one step may end many.*)

(* A VMA of context `c` has gone. If it was the last, the first reservation *)
(* of that range is taken, whoever made it, and who had that has c's now.   *)
Put(s, c) ==
  IF \E p \in DOMAIN s.spaces : \E v \in s.spaces[p] : v.of = c
  THEN s
  ELSE LET i == Min({j \in DOMAIN s.tree : Same(s.tree[j], s.tree[c])})
           Up(n)  == IF n > i THEN n - 1 ELSE n
           New(n) == Up(IF n = i THEN c ELSE n)
       IN  [tree |-> Without(s.tree, i), spaces |-> Renumbered(s.spaces, New)]

(* The VMAs of process `p` inside of `r` go, in the order of addresses.     *)
RECURSIVE Drop(_, _, _)
Drop(s, p, r) ==
  LET gone == Hit(s.spaces[p], r)
  IN  IF gone = {}
      THEN s
      ELSE LET v == CHOOSE v \in gone : \A w \in gone : v.from <= w.from
           IN  Drop(Put([s EXCEPT !.spaces[p] = @ \ {v}], v.of), p, r)

----------------------------------------------------------------------------
(* Operations. TLC would count a step once for each way to make a guard     *)
(* true: so no guard is a disjunction, or asks for some element of a set.   *)

Mmap(p, r, pfns, file) ==
  LET found == {tree[i].type : i \in {i \in DOMAIN tree : Meet(tree[i], pfns)}}
      type  == IF found = {} THEN file ELSE CHOOSE t \in found : TRUE
      i     == Cardinality({j \in DOMAIN tree : tree[j].from <= pfns.from}) + 1
      new   == [from |-> pfns.from, to |-> pfns.to, type |-> type]
      vma   == [from |-> r.from, to |-> r.to, off |-> pfns.from, file |-> file,
                ro |-> FALSE, here |-> Pages(r), of |-> i]
      New(n) == IF n >= i THEN n + 1 ELSE n
  IN  /\ Length(pfns) = Length(r)
      /\ Hit(spaces[p], r) = {}
      /\ IF Cardinality(found) > 1
         THEN UNCHANGED vars    \* refused, also where there is no room
         ELSE /\ Len(tree) < R
              /\ tree' = With(tree, i, new)
              /\ spaces' = [Renumbered(spaces, New) EXCEPT ![p] = @ \cup {vma}]

Munmap(p, r) ==
  LET split == [spaces EXCEPT ![p] = Inside(@, r) \cup Outside(@, r)]
      after == Drop([tree |-> tree, spaces |-> split], p, r)
  IN  /\ Hit(spaces[p], r) # {}
      /\ tree' = after.tree
      /\ spaces' = after.spaces

Mprotect(p, r) ==
  LET hit == Hit(spaces[p], r)
  IN  /\ Pages(r) \subseteq UNION {Pages(v) : v \in hit}
      /\ {v \in hit : ~v.ro} # {}
      /\ spaces' = [spaces EXCEPT
           ![p] = Outside(@, r) \cup {[v EXCEPT !.ro = TRUE] : v \in Inside(@, r)}]
      /\ UNCHANGED tree

Zap(pfns) ==
  LET Left(v) == {page \in v.here : v.off + (page - v.from) \notin Pages(pfns)}
  IN  /\ spaces # <<>>
      /\ spaces' = [p \in DOMAIN spaces |->
                      {[v EXCEPT !.here = Left(v)] : v \in spaces[p]}]
      /\ UNCHANGED tree

Fork(p) ==
  /\ Len(spaces) < P
  /\ spaces' = Append(spaces, spaces[p])
  /\ UNCHANGED tree

(* Who was born later moves up.                                             *)
Exit(p) ==
  LET after == Drop([tree |-> tree, spaces |-> spaces], p, [from |-> 0, to |-> V])
  IN  /\ tree' = after.tree
      /\ spaces' = Without(after.spaces, p)

----------------------------------------------------------------------------
Init == tree = <<>> /\ spaces = <<{}>>

Next ==
  \/ \E p \in DOMAIN spaces :
       \/ \E r \in Virtual :
            \/ \E pfns \in Physical, file \in Types : Mmap(p, r, pfns, file)
            \/ Munmap(p, r)
            \/ Mprotect(p, r)
       \/ Fork(p)
       \/ Exit(p)
  \/ \E pfns \in Physical : Zap(pfns)

Spec == Init /\ [][Next]_vars

----------------------------------------------------------------------------
(* What holds in every state; not asked when time is measured.              *)

TypeOK ==
  /\ tree \in Seq(Reservation) /\ Len(tree) <= R
  /\ spaces \in Seq(SUBSET VMA) /\ Len(spaces) <= P

(* The tree is in order, and what overlaps in it is of one type.            *)
Ordered ==
  \A i, j \in DOMAIN tree : i < j =>
    /\ tree[i].from <= tree[j].from
    /\ Meet(tree[i], tree[j]) => tree[i].type = tree[j].type

(* A VMA lies in its reservation, and each reservation is that of a VMA.    *)
Held ==
  LET all == UNION {spaces[p] : p \in DOMAIN spaces}
  IN  /\ {v.of : v \in all} = DOMAIN tree
      /\ \A v \in all : /\ tree[v.of].from <= v.off
                        /\ v.off + Length(v) <= tree[v.of].to
=============================================================================
