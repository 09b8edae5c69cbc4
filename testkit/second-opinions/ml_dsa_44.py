"""Makes auditor/testdata/ml_dsa_44.json with an independent implementation of FIPS 204 and of the message.

Origin: dilithium-py 1.5.1 (pure Python, pip install dilithium-py==1.5.1). Not run by any test: the vector is
committed, and auditor/tests/second_opinion.rs compares our keys, messages and signatures with it.

    python3 ml_dsa_44.py > ../../auditor/testdata/ml_dsa_44.json
"""

import base64
import hashlib
import json
import struct

from dilithium_py.ml_dsa import ML_DSA_44

NAME = "auditor0.example"
ORIGIN = "log.example/1"
SEED = bytes([121] * 32)


def message(name, time, origin, size, root):
    """tlog-cosignature, ML-DSA-44: label, cosigner, time, origin, start, end, root."""
    text = lambda s: bytes([len(s)]) + s.encode()
    return (
        b"subtree/v1\n\0"
        + text(name)
        + struct.pack(">Q", time)
        + text(origin)
        + struct.pack(">QQ", 0, size)
        + root
    )


def line(name, public, time, signature):
    key_id = hashlib.sha256(name.encode() + b"\n\x06" + public).digest()[:4]
    body = base64.b64encode(key_id + struct.pack(">Q", time) + signature).decode()
    return f"\u2014 {name} {body}"


def case(time, size, root, deterministic):
    public, private = ML_DSA_44.key_derive(SEED)
    signed = message(NAME, time, ORIGIN, size, root)
    signature = ML_DSA_44.sign(private, signed, deterministic=deterministic)
    assert ML_DSA_44.verify(public, signed, signature)
    return {
        "time": time,
        "size": size,
        "root": root.hex(),
        "deterministic": deterministic,
        "message": signed.hex(),
        "line": line(NAME, public, time, signature),
    }


public, _ = ML_DSA_44.key_derive(SEED)
print(
    json.dumps(
        {
            "origin_of_this_file": "dilithium-py 1.5.1, testkit/second-opinions/ml_dsa_44.py",
            "name": NAME,
            "origin": ORIGIN,
            "seed": SEED.hex(),
            "public_key_sha256": hashlib.sha256(public).hexdigest(),
            "cases": [
                case(1_700_000_060, 1, hashlib.sha256(b"one").digest(), True),
                case(2**40, 2**40 + 1, bytes(32), True),
                case(1_700_000_060, 77, hashlib.sha256(b"hedged").digest(), False),
            ],
        },
        indent=1,
    )
)
