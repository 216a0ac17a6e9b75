// The JavaScript class `Trainer` (NativeTrainer of lib/native/binding.ts). No maths: every method copies its
// arguments and queues a command.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/environment.h"

namespace rat {

class TrainerWrap : public Napi::ObjectWrap<TrainerWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TrainerWrap(const Napi::CallbackInfo& info);
  ~TrainerWrap() override;

 private:
  // [async] Each returns a promise.
  Napi::Value train_step(const Napi::CallbackInfo& info);
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value diagnose(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value load_tensors(const Napi::CallbackInfo& info);
  Napi::Value snapshot(const Napi::CallbackInfo& info);
  Napi::Value restore(const Napi::CallbackInfo& info);
  Napi::Value set_embedding_rows(const Napi::CallbackInfo& info);
  Napi::Value set_class_weights(const Napi::CallbackInfo& info);
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value peak_device_memory_bytes(const Napi::CallbackInfo& info);
  Napi::Value time_operator(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  // [sync]
  Napi::Value cancel(const Napi::CallbackInfo& info);

  /// Throws unless `this` is one of ours: a forged receiver must not reach the members.
  void check_receiver(const Napi::CallbackInfo& info) const;
  Napi::Value submit(const Napi::CallbackInfo& info, TrainerThread::Work work);

  /// Tells V8, which does not see tensors: without this, thousands of trainers could wait for a collection
  /// that never comes.
  void tell_memory(int64_t bytes);

  std::shared_ptr<LiveThreads> live_;
  std::unique_ptr<TrainerThread> thread_;
  int64_t external_bytes_ = 0;
};

}  // namespace rat
