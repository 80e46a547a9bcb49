// What every caller's adapter is made of: an HTTP client that remembers the last answer's headers, which SDKs show in
// different ways and some of their helpers not at all.

export class Wire {
  fetch = async (...request) => {
    this.headers = undefined;
    const response = await fetch(...request);
    this.headers = response.headers;
    return response;
  };

  get requestId() {
    return this.headers.get("x-request-id");
  }

  // `{field: how}` of what was approximated or left out.
  get adapted() {
    const entries = (this.headers.get("x-tollgate-adapted") ?? "").split(", ").filter(Boolean);
    return Object.fromEntries(entries.map((entry) => entry.split("=")));
  }
}

// A stream that is read by hand: the text that has arrived piece by piece.
export async function* mapped(stream, text) {
  for await (const event of stream) {
    const piece = text(event);
    if (piece) yield piece;
  }
}
