// The arithmetic of one head of one sequence on the CPU: no tensors, no allocation but of scratch that is used again.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <vector>

namespace rat {

/// Rows of a head, `stride` elements apart.
template <typename element_t>
struct HeadRows {
  element_t* data;
  int64_t stride;
};

/// Queries `[queries, width]`, keys and values `[length, width]`; or where their gradients go.
template <typename element_t>
struct HeadInputs {
  HeadRows<element_t> q, k, v;
  int64_t queries, length, width;
};

/// Words `[queries, length]` of a dropout mask; null: there is none. Those below `threshold` are dropped.
template <typename scalar_t>
struct HeadMask {
  const uint32_t* words = nullptr;
  uint32_t threshold = 0;
  scalar_t scale = 1;  // of those that are kept
};

/// Of a thread, for one head after the other.
template <typename scalar_t>
struct HeadScratch {
  std::vector<scalar_t> numbers;
  std::vector<uint32_t> words;
};

/// out = (softmax(q k^T / sqrt(width)) M) v, M the mask.
void head_forward(const HeadInputs<float>&, const HeadMask<float>&, const HeadRows<float>& out,
                  HeadScratch<float>&);
void head_forward(const HeadInputs<double>&, const HeadMask<double>&, const HeadRows<double>& out,
                  HeadScratch<double>&);
void head_forward(const HeadInputs<c10::BFloat16>&, const HeadMask<float>&,
                  const HeadRows<c10::BFloat16>& out, HeadScratch<float>&);

/// With P the probabilities and O = (P M) V:  dV = (P M)^T dO,  dS = P (dP - rowsum(dP P)) with dP = (dO V^T) M,
/// dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width). Writes `gradients`.
void head_backward(const HeadInputs<float>&, const HeadMask<float>&, const HeadRows<float>& dout,
                   const HeadInputs<float>& gradients, HeadScratch<float>&);
void head_backward(const HeadInputs<double>&, const HeadMask<double>&, const HeadRows<double>& dout,
                   const HeadInputs<double>& gradients, HeadScratch<double>&);
void head_backward(const HeadInputs<c10::BFloat16>&, const HeadMask<float>&,
                   const HeadRows<c10::BFloat16>& dout, const HeadInputs<c10::BFloat16>& gradients,
                   HeadScratch<float>&);

}  // namespace rat
