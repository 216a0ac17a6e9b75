# What kernels_test compares. Needs NATIVE, the folder of the sources. Defines:
#   KERNELS          the .cu files
#   BESIDE_THE_CPU   what they are compared with, and what both need
file(GLOB KERNELS CONFIGURE_DEPENDS "${NATIVE}/cuda/*.cu")
set(BESIDE_THE_CPU
  layers/add_norm.cc layers/attention.cc layers/attention_cpu.cc layers/attention_head.cc layers/attention_padded.cc
  layers/attention_pool.cc layers/conv_max_pool.cc layers/dropout.cc layers/rows.cc objective/losses.cc objective/noise.cc optim/adamw_update.cc
  core/cpu_versions.cc core/device_batch.cc core/lanes.cc core/matmul.cc core/random.cc core/savings.cc core/step_scalars.cc core/upload.cc)
list(TRANSFORM BESIDE_THE_CPU PREPEND "${NATIVE}/")
