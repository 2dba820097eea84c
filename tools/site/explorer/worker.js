// Python with the model, away from the page so that typing stays smooth.

import { loadPyodide } from "./pyodide.mjs";

const PROGRAM = `
import json, sys
sys.path.insert(0, "/program")
from pfntrack.serve.answers import answer

def answered(text):
    return json.dumps(answer(json.loads(text)))

answered
`;

const ready = (async () => {
  const [python, archive] = await Promise.all([
    loadPyodide({ indexURL: new URL("./", import.meta.url).href }),
    fetch("program.zip").then((each) => each.arrayBuffer()),
  ]);
  python.unpackArchive(archive, "zip", { extractDir: "/program" });
  return python.runPython(PROGRAM);
})();

addEventListener("message", async ({ data }) => {
  try {
    const answered = await ready;
    postMessage({ number: data.number, answer: JSON.parse(answered(data.question)) });
  } catch (error) {
    postMessage({ number: data.number, answer: { error: { message: String(error) } } });
  }
});
