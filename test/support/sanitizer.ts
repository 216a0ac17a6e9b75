const { RAT_ADDON_BUILD = "" } = process.env;

/** Whether the addon was built with a sanitizer, which brings an allocator of its own: `failAllocation` does nothing there. */
export const isSanitized = /asan|address|thread/.test(RAT_ADDON_BUILD);
