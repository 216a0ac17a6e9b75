// Precompiled once: these headers cost about 15 s and 1 GB in every file that includes them.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>
