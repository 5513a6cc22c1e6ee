"""Configs of small runs, for the tests of the command line."""

SMALL = """\
methods = ["Exact"]
[patterns]
kind = "explicit"
values = [[1, 1, -1], [1, -1, 1]]
[model]
type = "open_hopfield"
beta = 2.5
Omega = 0.4
[state]
kind = "pattern"
overlap = 0.8
[times]
stop = 1.0
n = 3
"""
