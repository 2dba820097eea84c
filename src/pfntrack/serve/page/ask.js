// Questions go to the server that this page came from.

export async function ask(question) {
  try {
    const answer = await fetch("api", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question),
    });
    if (answer.ok) return await answer.json();
    return { error: { message: `the server says ${answer.status}` } };
  } catch {
    return { error: { message: "the server is gone: start `pfntrack serve` again" } };
  }
}
