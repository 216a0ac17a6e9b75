// What an LSTM's or a GRU's cell does with the gates of one sequence at one step, in one pass over them. PyTorch's equations and
// order of gates.
#pragma once

#include <cstdint>

namespace rat {

/// i, f, o = sigmoid, g = tanh; c = f c' + i g; h = o tanh(c). `previous` is none at a sequence's beginning, where states are 0.
template <typename scalar_t>
struct LstmRow {
  int64_t hidden;            // H
  scalar_t* gates;           // [4 H] i, f, g, o before their functions, and then after them
  const scalar_t* previous;  // [H] c', or none
  scalar_t* cell;            // [2 H] to be written: c and tanh(c)
  scalar_t* state;           // [H] to be written: h
};

/// r, z = sigmoid; n = tanh(W x + b + r (U h' + c)); h = (1 - z) n + z h'.
template <typename scalar_t>
struct GruRow {
  int64_t hidden;             // H
  scalar_t* gates;            // [3 H] r, z, n: the input's part, and then the gates
  const scalar_t* recurrent;  // [3 H] U h', or none
  const scalar_t* bias;       // [3 H] c
  const scalar_t* previous;   // [H] h', or none
  scalar_t* new_part;         // [H] to be written: U h' + c of n
  scalar_t* state;            // [H] to be written: h
};

/// float: in the widest vectors that the processor has, to two units in the last place.
template <typename scalar_t>
void lstm_cell(const LstmRow<scalar_t>& row);
template <typename scalar_t>
void gru_cell(const GruRow<scalar_t>& row);

}  // namespace rat
