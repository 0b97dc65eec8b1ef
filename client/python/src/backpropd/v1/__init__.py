# SPDX-License-Identifier: Apache-2.0
"""The protocol's messages and stubs, generated: see generate_stubs.py."""
