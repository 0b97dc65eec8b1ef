# SPDX-License-Identifier: Apache-2.0
"""What calls ask and are answered, a module for each that needs one; the plain and the asyncio client share them."""
