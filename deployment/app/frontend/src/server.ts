// Our own server, asked for JSON: what it refuses is told in its own sentence.

export interface Asked {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

export async function ask<T>(address: string, { method = "GET", body, headers = {}, signal }: Asked = {}): Promise<T> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const answer = await fetch(address, { method, signal: signal ?? null, headers: { accept: "application/json", ...type, ...headers }, ...sent });
  if (answer.status === 204) return undefined as T;
  if (answer.ok) return (await answer.json()) as T;
  const told = (await answer.json().catch(() => ({}))) as { detail?: string };
  throw new Error(told.detail ?? `The server answered ${answer.status}.`);
}
