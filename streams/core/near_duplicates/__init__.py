"""Near-duplicates: runs that teach the same thing twice.

`document_of` writes a trace in canonical form, `fingerprints` makes 200 bytes of it, an index
(`streams.state.near_duplicates`) answers whether something like it was accepted before. A trace is a duplicate of
another when

- the canonical forms are equal (`exact`), or
- their *particulars* are equal - how they were run, the task in its words, and the sequence of tool calls with names,
  numbers, ids and short texts as arguments - and the word shingles of the rest have a Jaccard similarity of
  `Rules.min_similarity`.

So trials of one task that called different tools, or the same tools with other arguments, are never duplicates,
however much of the text they share; their similarity shows as `novelty` only. Nor is a real run ever a duplicate of a
simulated one, which is synthetic. Runs that failed are not claimed at
all: a failed and a successful run of one task both stay, and become preference pairs when packages are built.
"""
