/** The rules that the C++ sources keep. */
import { describe, expect, it } from "vitest";
import { breaches } from "./native.mjs";

const lines = (file: string, source: string) => breaches(file, source).map(({ line }) => line);

describe("the rules of the C++ sources", () => {
  it.each([
    "torch::save(tensor, path);",
    "torch::load(tensor, path);",
    "std::regex pattern;",
    "class Work : public Napi::AsyncWorker {};",
    "#include <napi.h>",
    '#include "napi.h"',
    "auto* buffer = new float[8];",
    "delete buffer;",
    "delete[] buffer;",
    "try { f(); } catch (...) { }",
  ])("forbids: %s", (code) => {
    expect(lines("core/a.cc", `// first line\n${code}\n`)).toEqual([2]);
  });

  it.each([
    "// a new one; std::regex is not used",
    '/* delete it */ f("new float[8]");',
    "A(const A&) = delete;",
    "auto buffer = std::make_unique<float[]>(8);",
    "auto* leaked = new Registry();  // lint: lives as long as the process",
    "try { f(); } catch (...) { failure = current_failure(); }",
  ])("allows: %s", (code) => {
    expect(lines("core/a.cc", code)).toEqual([]);
  });

  it("wants every function that Node calls to go through the guard", () => {
    const method = (body: string) => `Napi::Value T::step(const Napi::CallbackInfo& info) {\n${body}\n}\n`;
    expect(lines("addon/a.cc", method("return f();"))).toEqual([1]);
    expect(lines("addon/a.cc", method("return guarded(info.Env(), [&] { return f(); });"))).toEqual([]);
    expect(lines("addon/a.cc", method("return guarded_promise(info.Env(), [&] { return f(); });"))).toEqual(
      [],
    );
    expect(lines("addon/a.cc", "void T::check(const Napi::CallbackInfo& info) const {\n}\n")).toEqual([]);
  });

  it("lets only native/addon include napi.h", () => {
    expect(lines("addon/a.cc", "#include <napi.h>\n")).toEqual([]);
  });
});
