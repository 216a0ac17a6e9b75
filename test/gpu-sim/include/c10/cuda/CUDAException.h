// Stands in for LibTorch's header, which a CPU build lacks: native/cuda/launch.h includes it.
#pragma once
