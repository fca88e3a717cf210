#!/usr/bin/env python3
"""Makes tests/fixtures/inspector: messages by an independent signer, with what
the inspector must say about each.

Needs Python 3.9, openssl and xmlsec1; run it from anywhere:

    python3 tests/tools/make-inspector-corpus.py

The keys are made anew and thrown away, so every run changes every signed
message: run it only to add cases, and commit its whole output.
"""

import json
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

from corpus import external_mfa_cases, federation_cases, saml_cases, token_cases, wsfed_cases, xml_cases  # noqa: E402
from corpus.book import Book  # noqa: E402
from corpus.signing import Keys, jwk  # noqa: E402


def main():
    for tool in ("openssl", "xmlsec1"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is missing: apt-get install {tool}")
    fixtures = Path(__file__).parent.parent / "fixtures"
    folder = fixtures / "inspector"
    book = Book(folder)
    keys = Keys()
    for name in ("active", "next", "other"):
        shutil.copy(getattr(keys, name).certificate, folder / f"{name}.pem")
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk(keys.active)]}, indent=1) + "\n")
    for name, listed in external_mfa_cases.key_sets(keys).items():
        (folder / name).write_text(json.dumps({"keys": listed}, indent=1) + "\n")
    (folder / "eam-request.txt").write_text(external_mfa_cases.authorization(keys))
    (folder / "eam-request-after-inherence.txt").write_text(external_mfa_cases.authorization(keys, "knowledgeorpossession"))
    (folder / "eam-hint.json").write_text(json.dumps(external_mfa_cases.HINT, indent=1) + "\n")
    claims = json.loads((fixtures / "entra" / "partner-center-access-token.claims.json").read_text())
    saml_cases.add(book, keys)
    xml_cases.add(book, keys)
    wsfed_cases.add(book, keys)
    token_cases.add(book, keys, claims)
    external_mfa_cases.add(book, keys)
    federation_cases.add(book, keys)
    book.close()
    print(f"{len(book.entries)} messages")


main()
