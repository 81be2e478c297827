"""Redaction: what may be personal or secret is found, and replaced everywhere in its trace.

`rules` says what a finding is, `find` looks for them in a text, `pseudonyms` names the replacements, `replace` puts
them in, `leaves` walks text and JSON, `events` the records. All pure; the key comes in as an argument.
"""
