// How a script talks with the test that started it: a JSON line asked, a JSON line answered.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export async function ask(question) {
  process.stdout.write(JSON.stringify(question) + "\n");
  const { value } = await lines.next();
  return JSON.parse(value);
}

export function same(found, expected, what) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
  }
}

export async function refused(promise, error) {
  try {
    await promise;
  } catch (problem) {
    return same(problem.error ?? problem.cause?.error, error, "the refusal");
  }
  throw new Error(`not refused with ${error}`);
}
