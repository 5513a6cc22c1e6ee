"""Threads of linear algebra: one, always; what runs at the same time is ours and above it."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

# as a decorator: products of small matrices gain nothing from threads, and one order of the sums
# on every machine means equal bits
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
