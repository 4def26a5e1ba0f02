"""Verifies a processing receipt, given as JSON on standard input, with the library that The Update Framework's world uses."""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

given = json.load(sys.stdin)
keys = [
    SSlibKey.from_crypto(load_pem_public_key(key["pem"].encode()), keyid=key["id"])
    for key in given["keys"]
]
envelope = Envelope.from_dict(json.loads(given["receipt"]))
assert envelope.payload_type == "application/vnd.in-toto+json", envelope.payload_type
assert len(envelope.verify(keys, 1)) == 1
statement = json.loads(envelope.payload)
assert statement["_type"] == "https://in-toto.io/Statement/v1", statement
subjects = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
assert subjects == given["subjects"], (subjects, given["subjects"])
envelope.payload += b" "
try:
    envelope.verify(keys, 1)
except VerificationError:
    sys.exit(0)
sys.exit("another payload passes, too")
