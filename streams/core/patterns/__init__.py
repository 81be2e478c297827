"""Which tools agents use one after the other, how often, and how well that goes.

`observe.counts_of` turns one trace into counters, a store (`streams.state.patterns`) adds them up in windows, and
`mine.mine` reads the patterns worth telling off the sums. All pure. No value of a tool argument is ever counted, only
its shape (`inputs`).
"""
