# The simulated device, for the addon (CMakeLists.txt of the package, RAT_GPU_SIM) and for the test programs beside this
# file. Needs RAT_LIBTORCH. Defines:
#   GPU_SIM_SOURCES       the device and the kernel language
#   gpu_sim               interface target: include folders, stand-ins first
#   gpu_sim_kernels(...)  has .cu files compiled as C++
set(GPU_SIM_DIR "${CMAKE_CURRENT_LIST_DIR}")

file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/gpu-sim")
execute_process(COMMAND node "${GPU_SIM_DIR}/device/operators.mjs" "${RAT_LIBTORCH}"
  OUTPUT_FILE "${CMAKE_BINARY_DIR}/gpu-sim/cuda_ops.inc" COMMAND_ERROR_IS_FATAL ANY)

file(GLOB GPU_SIM_SOURCES CONFIGURE_DEPENDS "${GPU_SIM_DIR}/device/*.cc" "${GPU_SIM_DIR}/language/*.cc")
add_library(gpu_sim INTERFACE)
target_include_directories(gpu_sim BEFORE INTERFACE
  "${GPU_SIM_DIR}/include" "${GPU_SIM_DIR}" "${CMAKE_BINARY_DIR}/gpu-sim")
target_compile_definitions(gpu_sim INTERFACE RAT_CUDA RAT_GPU_SIM)

function(gpu_sim_kernels)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX
    COMPILE_OPTIONS "-xc++;-include;language/cuda_on_cpu.h;-Wno-sign-compare")
endfunction()
