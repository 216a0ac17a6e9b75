// A value of our own among what an autograd function keeps for its backward pass.
#pragma once

#include <ATen/core/ivalue.h>

#include <utility>

namespace rat {

template <typename Value>
struct Held : torch::CustomClassHolder {
  explicit Held(Value value) : value(std::move(value)) {}
  Value value;
};

/// What `apply` is given: its arguments are copied, and a pointer is all that there is to copy.
template <typename Value>
c10::intrusive_ptr<Held<Value>> hold(Value value) {
  return c10::make_intrusive<Held<Value>>(std::move(value));
}

}  // namespace rat
