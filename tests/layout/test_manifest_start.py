"""What a short command pays for reading a manifest."""

import subprocess
import sys

from layout.test_manifest import ENCODED

_DECODE = """
import sys
from imgrepl.layout.manifest import decode_manifest, encode_manifest
body = bytes.fromhex(sys.stdin.read())
assert encode_manifest(decode_manifest(body, "5a" * 32)) == body
print("numpy.ma" in sys.modules)
"""


def test_a_manifest_is_checked_without_loading_masked_arrays() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _DECODE], input=ENCODED.hex(), capture_output=True, text=True
    )
    assert said.stdout == "False\n", said.stderr
