/*
 * Tracking by contexts (6.16 to 7.3) for a search by SPIN: the same states and
 * transitions as `pfntrack check --release 7.3 --ops map,munmap,protect,zap,fork,exit`
 * on two virtual pages, with as many VMAs and reservations as can come up.
 *
 * P processes (up to 5), N physical pages (up to 3). A reservation stands for its context,
 * whose count follows from the pages that name it. Each step is one operation.
 */

#define V 2			/* virtual pages of a process */
#define PAGES (P * V)
#ifndef R
#define R PAGES			/* no limit: one for each page */
#endif

/* A page of a process; the page of the file that it maps is above. */
#define USED  1			/* some VMA covers it */
#define FIRST 2			/* a VMA begins here */
#define RO    4			/* its VMA is read-only */
#define HERE  8			/* its entry is present */
#define WC    16		/* its file asks for WC, else UC- */
#define OFF(x) ((x) >> 5)

/* A reservation: first page, end, type. */
#define ENTRY(first, end, wc) ((first) | ((end) << 2) | ((wc) << 4))
#define BEGIN(x) ((x) & 3)
#define END(x)   (((x) >> 2) & 3)
#define TYPE(x)  ((x) >> 4)
#define RANGE(x) ((x) & 15)

byte live = 1;			/* processes */
byte held = 0;			/* reservations */
byte res[R];			/* in the order of the tree */
byte page[PAGES];
byte own[PAGES];		/* number of the page's reservation */

hidden byte i, j, k, c, q;

/* The last VMA of context `c` may have gone: then its reservation goes. */
inline put()
{
	j = 0; k = 0;
	do
	:: j < PAGES -> k = k | ((page[j] & USED) && own[j] == c); j++
	:: else -> break
	od;
	if
	:: k == 0 ->
		/* The first entry of this range is taken, whoever made it. */
		i = 0;
		do
		:: RANGE(res[i]) != RANGE(res[c]) -> i++
		:: else -> break
		od;
		j = 0;
		do
		:: j < PAGES ->
			if
			:: (page[j] & USED) && own[j] == i -> own[j] = c
			:: else
			fi;
			if
			:: (page[j] & USED) && own[j] > i -> own[j] = own[j] - 1
			:: else
			fi;
			j++
		:: else -> break
		od;
		held--;
		do
		:: i < held -> res[i] = res[i + 1]; i++
		:: else -> break
		od;
		res[held] = 0
	:: else
	fi
}

/* The VMA that covers page `at`, or its part up to page `last`, goes. */
inline drop(b, at, last)
{
	if
	:: page[b + at] & USED ->
		c = own[b + at];
		page[b + at] = 0; own[b + at] = 0;
		if
		:: at < last && (page[b + 1] & (USED | FIRST)) == USED ->
			page[b + 1] = 0; own[b + 1] = 0
		:: else
		fi;
		put()
	:: else
	fi
}

/* Two reservations of different types stand against a new one; with no room, only they do. */
#define HIT(x, off, n) (BEGIN(x) < off + n && off < END(x))
#if R == 2
#define ROOM(off, n) (held < R || (HIT(res[0], off, n) && HIT(res[1], off, n) && TYPE(res[0]) != TYPE(res[1])))
#else
#define ROOM(off, n) true
#endif

#define MMAP(p, at, n, off, wc) \
:: d_step { p < live && !(page[p*V + at] & USED) && !(page[p*V + at + n - 1] & USED) && ROOM(off, n) -> \
	i = 0; k = wc; c = 0; \
	do \
	:: i < held -> \
		if \
		:: HIT(res[i], off, n) -> \
			if \
			:: c == 0 -> k = TYPE(res[i]); c = 1 \
			:: c == 1 && TYPE(res[i]) != k -> c = 2 \
			:: else \
			fi \
		:: else \
		fi; \
		i++ \
	:: else -> break \
	od; \
	if \
	:: c < 2 -> \
		do \
		:: i > 0 && BEGIN(res[i - 1]) > off -> res[i] = res[i - 1]; i-- \
		:: else -> break \
		od; \
		res[i] = ENTRY(off, off + n, k); held++; j = 0; \
		do \
		:: j < PAGES -> \
			if \
			:: (page[j] & USED) && own[j] >= i -> own[j] = own[j] + 1 \
			:: else \
			fi; \
			j++ \
		:: else -> break \
		od; \
		page[p*V + at] = USED | FIRST | HERE | wc * WC | (off << 5); own[p*V + at] = i; \
		if \
		:: n == 2 -> page[p*V + 1] = USED | HERE | wc * WC | ((off + 1) << 5); own[p*V + 1] = i \
		:: else \
		fi \
	:: else \
	fi }

#define MUNMAP(p, at, n) \
:: d_step { p < live && ((page[p*V + at] | page[p*V + at + n - 1]) & USED) -> \
	if \
	:: at + n < V && (page[p*V + 1] & USED) -> page[p*V + 1] = page[p*V + 1] | FIRST \
	:: else \
	fi; \
	drop(p*V, at, at + n - 1); \
	if \
	:: n == 2 -> drop(p*V, 1, 1) \
	:: else \
	fi }

#define MPROTECT(p, at, n) \
:: d_step { p < live && (page[p*V + at] & page[p*V + at + n - 1] & USED) && \
	    !(page[p*V + at] & page[p*V + at + n - 1] & RO) -> \
	if \
	:: n == 1 && (page[p*V + 1] & USED) -> page[p*V + 1] = page[p*V + 1] | FIRST \
	:: else \
	fi; \
	page[p*V + at] = page[p*V + at] | RO; \
	page[p*V + at + n - 1] = page[p*V + at + n - 1] | RO }

#define FORK(p) \
:: d_step { p < live && live < P -> \
	j = 0; \
	do \
	:: j < V -> page[live*V + j] = page[p*V + j]; own[live*V + j] = own[p*V + j]; j++ \
	:: else -> break \
	od; \
	live++ }

#define EXIT(p) \
:: d_step { p < live -> \
	drop(p*V, 0, 1); drop(p*V, 1, 1); \
	live--; j = p*V; \
	do \
	:: j < live*V -> page[j] = page[j + V]; own[j] = own[j + V]; j++ \
	:: else -> break \
	od; \
	do \
	:: j < live*V + V -> page[j] = 0; own[j] = 0; j++ \
	:: else -> break \
	od; \
	skip }

#define ZAP(off, n) \
:: d_step { live > 0 -> \
	j = 0; \
	do \
	:: j < PAGES -> \
		if \
		:: (page[j] & HERE) && off <= OFF(page[j]) && OFF(page[j]) < off + n -> \
			page[j] = page[j] & ~HERE \
		:: else \
		fi; \
		j++ \
	:: else -> break \
	od; \
	skip }

#if N > 2
#define MAPS(p, wc) \
	MMAP(p, 0, 1, 0, wc) MMAP(p, 0, 1, 1, wc) MMAP(p, 0, 1, 2, wc) \
	MMAP(p, 0, 2, 0, wc) MMAP(p, 0, 2, 1, wc) \
	MMAP(p, 1, 1, 0, wc) MMAP(p, 1, 1, 1, wc) MMAP(p, 1, 1, 2, wc)
#elif N > 1
#define MAPS(p, wc) \
	MMAP(p, 0, 1, 0, wc) MMAP(p, 0, 1, 1, wc) MMAP(p, 0, 2, 0, wc) \
	MMAP(p, 1, 1, 0, wc) MMAP(p, 1, 1, 1, wc)
#else
#define MAPS(p, wc) MMAP(p, 0, 1, 0, wc) MMAP(p, 1, 1, 0, wc)
#endif

#define ACTIONS(p) \
	MAPS(p, 0) MAPS(p, 1) \
	MUNMAP(p, 0, 1) MUNMAP(p, 0, 2) MUNMAP(p, 1, 1) \
	MPROTECT(p, 0, 1) MPROTECT(p, 0, 2) MPROTECT(p, 1, 1) \
	FORK(p) EXIT(p)

active proctype kernel()
{
	do
	ACTIONS(0)
#if P > 1
	ACTIONS(1)
#endif
#if P > 2
	ACTIONS(2)
#endif
#if P > 3
	ACTIONS(3)
#endif
#if P > 4
	ACTIONS(4)
#endif
	ZAP(0, 1)
#if N > 1
	ZAP(0, 2) ZAP(1, 1)
#endif
#if N > 2
	ZAP(0, 3) ZAP(1, 2) ZAP(2, 1)
#endif
	od
}
