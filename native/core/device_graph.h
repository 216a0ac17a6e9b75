// What a device does for a step, recorded once and done again with one call of the host: CUDA graphs.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace rat {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;

  /// Calls `work`, whose launches are recorded and not done; the device's memory stays as it is. `work` must not wait for the
  /// device, nor read what is on it, and whatever memory it reads or writes and did not ask for itself must stay where it is for
  /// as long as the graph is replayed. Throws what `work` throws, and c10::Error for what cannot be recorded; the graph is empty
  /// then.
  virtual void record(const std::function<void()>& work) = 0;

  /// Does what was recorded, after what the stream has to do already.
  virtual void replay() = 0;
};

/// Null on the CPU. Those that share memory, made of one another's, must be recorded and replayed on one stream, and none reads
/// what another has left there.
std::unique_ptr<DeviceGraph> make_device_graph(c10::Device device, DeviceGraph* shares_memory_with);

/// On a GPU: a stream that no other of these has while this one lives, for all that the thread that made it does there from then
/// on. What every thread begins with cannot be recorded, and LibTorch's own streams go to several in turn.
class OwnStream {
 public:
  explicit OwnStream(c10::Device device);
  ~OwnStream();
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;

 private:
  c10::Device device_;
  void* stream_ = nullptr;
};

}  // namespace rat
