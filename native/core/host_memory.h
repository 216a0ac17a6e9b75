// Memory of tensors on the CPU.
//
// Packed batches never have the same number of tokens twice, so that a step asks for hundreds of large blocks whose
// sizes are all new. glibc grows its mapping threshold to 32 MB, cuts such blocks out of arenas, and the arenas
// fragment: with the number of different batches a training's memory grew to three times of what it used at once.
// Here large blocks come from the system and, when they are given back, wait for a request of at least half their size;
// and there is never more in all than was once in use at the same time.
#pragma once

#include <cstdint>

namespace rat {

/// From now on tensors on the CPU are made of this memory, in the whole process. Does nothing in sanitizer
/// builds, which must see every block's end.
void install_host_memory();

/// Gives all that waits back to the system, and forgets how much was once in use.
void release_host_memory();

/// Has the `n`-th request from now on fail, once, of whatever size; 0: none. For tests.
void fail_allocation(int64_t n);

}  // namespace rat
