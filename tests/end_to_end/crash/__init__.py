# SPDX-License-Identifier: Apache-2.0
"""What crash_test.py is made of; the tests beside it use its servers and sessions, too."""
