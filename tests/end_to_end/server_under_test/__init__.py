# SPDX-License-Identifier: Apache-2.0
"""A backpropd that tests start, sessions for it, and how it is asked: what the tests in this folder share."""
