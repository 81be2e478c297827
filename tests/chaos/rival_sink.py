"""A sink in a consumer group of its own: it takes every partition, whoever else has it."""

import sys

import sinks.consumer
from ops.cli.main import main

if __name__ == "__main__":
    sinks.consumer.GROUP = "tdc-rival-sink"
    sys.argv = ["tdc", "sink", "--attended"]
    main()
