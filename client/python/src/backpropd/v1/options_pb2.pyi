# SPDX-License-Identifier: Apache-2.0
from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

CODE_FIELD_NUMBER: _ClassVar[int]
DESCRIPTOR: _descriptor.FileDescriptor
LIVE_FIELD_NUMBER: _ClassVar[int]
code: _descriptor.FieldDescriptor
live: _descriptor.FieldDescriptor
