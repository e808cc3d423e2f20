"""Files sent to a server as a program sends them."""

import httpx

SENT = {"content-type": "application/octet-stream"}


def sent(client: httpx.Client, content: bytes, name: str = "file.csv") -> str:
    """Upload a file; return the id of the upload."""
    got = client.post("/api/uploads", params={"name": name}, content=content, headers=SENT)
    assert got.status_code == 201, got.text
    return str(got.json()["upload_id"])
