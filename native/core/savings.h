// What makes training fast and can be left out, to see what it brings or where a difference comes from:
// RAT_DISABLE=lanes,panels turns some of it off. Nothing here changes a result but by rounding.
#pragma once

#include <string>
#include <vector>

namespace rat {

enum class Saving {
  kPacked,   // attention on packed sequences; else on a grid that is padded to the batch's longest
  kClsOnly,  // the last layer of an encoder for the first token alone, but for keys and values
  kKeptGradients,  // R-AT keeps the clean pass's gradients; else it goes back once for the perturbation, once for them
  kPanels,          // products on the CPU of our own (panel_product.h); else LibTorch's
  kVector,          // masks, attention, GELU, recurrent cells in the widest vectors that the processor has
  kLanes,           // threads meet once a pass (lanes.h); else at every loop of every operator
  kHostMemory,      // memory of our own (host_memory.h)
  kGraphs,          // short steps on a GPU are recorded and replayed (trainer/step_graphs.h)
  kTorchAttention,  // predictions on a GPU take LibTorch's attention; else ours
  kLateRows,        // rows of the word embeddings are updated when they are needed (optim/late_rows.h)
};

bool is_on(Saving saving);

/// Their names that RAT_DISABLE has; ERR_RAT_CONFIG if it has others.
std::vector<std::string> disabled_savings();

}  // namespace rat
