// Random perturbations. Like dropout's masks they are a function of a counter: Philox 4x32-10 with
//   key     = the ascent stream of the seed
//   counter = (step, id, 0, element / 4), word element % 4, element = position * width + channel,
// where the id is that of an example, or of a token whose position is 0.
#pragma once

#include <ATen/ATen.h>

#include <cmath>

#include "core/random.h"

namespace rat {

enum class Noise : uint32_t {
  kUniform,  // on (-1, 1)
  kNormal,   // standard
};

/// The number of lane `lane` of a block of four words.
RAT_HOST_DEVICE double noise_of(const uint32_t* block, int lane, Noise noise) {
  // Between 0 and 1, neither included.
  const auto unit = [&](int at) { return (block[at] + 0.5) * (1.0 / 4294967296.0); };
  if (noise == Noise::kUniform) return 2 * unit(lane) - 1;
  // Box and Muller: a pair of lanes gives a pair of numbers.
  const int first = lane & ~1;
  const double radius = sqrt(-2 * log(unit(first))), turns = unit(first + 1);
#ifdef __CUDA_ARCH__
  // cos and sin would keep a stack for arguments that they have to reduce.
  return radius * (lane == first ? cospi(2 * turns) : sinpi(2 * turns));
#else
  const double angle = 2 * 3.14159265358979323846 * turns;
  return radius * (lane == first ? cos(angle) : sin(angle));
#endif
}

}  // namespace rat
