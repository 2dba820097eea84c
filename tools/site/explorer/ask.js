// Questions go to Python in a worker of this page; the first waits until it has started.

const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
let number = 0;

worker.addEventListener("message", ({ data }) => {
  waiting.get(data.number)?.(data.answer);
  waiting.delete(data.number);
});
worker.addEventListener("error", (event) => {
  const answer = { error: { message: `Python did not start: ${event.message ?? ""}` } };
  for (const done of waiting.values()) done(answer);
  waiting.clear();
});

export function ask(question) {
  return new Promise((done) => {
    waiting.set(++number, done);
    worker.postMessage({ number, question: JSON.stringify(question) });
  });
}
