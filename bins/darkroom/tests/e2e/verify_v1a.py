"""Verifies a webhook signed with Ed25519 (v1a), given as JSON on standard input, with the library that Python's world uses."""

import base64
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

given = json.load(sys.stdin)
headers, body = given["headers"], given["body"]
key = Ed25519PublicKey.from_public_bytes(base64.b64decode(given["public_key"].removeprefix("whpk_")))
scheme, signature = headers["webhook-signature"].split(",", 1)
assert scheme == "v1a", scheme
signature = base64.b64decode(signature)
signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}"
key.verify(signature, signed.encode())
try:
    key.verify(signature, (signed + " ").encode())
except InvalidSignature:
    sys.exit(0)
sys.exit("another body passes, too")
