# SPDX-License-Identifier: Apache-2.0
"""What a network may do to a stream, and what has to be left of that in the end: nothing."""
