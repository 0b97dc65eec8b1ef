# SPDX-License-Identifier: Apache-2.0
"""What crash_test.py is made of."""
