"""Collects messages with what the inspector must say about them."""

import json

DEFAULTS = {
    "at": "2026-11-20T10:00:00Z",
    "issuer": "https://idp.contoso.com/contoso.com",
    "domain": "contoso.com",
    "cloud": "global",
    "certificates": ["active.pem", "next.pem"],
    "request": "../entra/authn-request-unsigned.xml",
}
XML = ("saml", "wsfed-rstr")
DERIVED = {
    "accepted": "accepted",
    "accepted-without-mfa": "rejected",
    "rejected": "rejected",
    "undecided": "undecided",
}


class Book:
    def __init__(self, folder):
        self.folder = folder
        self.entries = []
        (folder / "messages").mkdir(parents=True, exist_ok=True)
        for old in (folder / "messages").iterdir():
            old.unlink()

    def write(self, name, content):
        target = self.folder / "messages" / name
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            target.write_text(content)

    def add(self, name, content, outcome, rules=(), undecided=(), kind="saml2-response",
            encoding=(), verdicts=None, **options):
        """One message. `rules`: exactly the rules broken; `undecided`: exactly those undecided.

        `content` None reuses the file of an earlier entry, `options["file"]`.
        """
        file = options.pop("file", f"{name}.{'xml' if kind.startswith(XML) and not encoding else 'txt'}")
        if content is not None:
            self.write(file, content)
        if verdicts is None:
            verdicts = {"entra-saml2": outcome, "partner-center": DERIVED[outcome]}
        given = {**DEFAULTS, **options}
        self.entries.append({
            "name": name,
            "file": file,
            "options": {key: value for key, value in given.items() if value is not None},
            "kind": kind,
            "encoding": list(encoding),
            "verdicts": verdicts,
            "rules": list(rules),
            "undecided": list(undecided),
        })

    def close(self):
        names = [entry["name"] for entry in self.entries]
        assert len(names) == len(set(names)), "a name stands twice"
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in self.entries)
        (self.folder / "expectations.json").write_text(f"[\n{lines}\n]\n")
