/** What may import what in lib/: `npm run lint`. */
export default {
  forbidden: [
    {
      name: "no-folder-imports-back",
      comment: "A folder that imports another is not imported by it, however long the way round.",
      scope: "folder",
      severity: "error",
      from: { path: "^lib/[^/]+" },
      to: { circular: true },
    },
    {
      name: "no-circles",
      comment: "Nor is a file.",
      severity: "error",
      from: { path: "^lib/" },
      to: { circular: true },
    },
    {
      name: "inference-without-training",
      comment: "To use a model takes nothing of what trains one.",
      severity: "error",
      from: { path: "^lib/inference/" },
      to: { path: "^lib/(run|trainer)/" },
    },
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: "tsconfig.json" }, doNotFollow: { path: "node_modules" } },
};
