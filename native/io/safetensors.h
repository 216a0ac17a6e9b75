// Tensors in and out of safetensors files, the only weight format of this library: pickles run code when they
// are read. The validation is in safetensors_header.h, the system calls are in file.h; here bytes become
// tensors and back.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/file.h"
#include "io/safetensors_header.h"

namespace rat::io {

/// An open file whose header has been validated; tensors are read one at a time. Reading from several
/// threads is safe.
class SafetensorsFile {
 public:
  /// Throws ERR_RAT_PATH (missing, unreadable, no regular file), ERR_RAT_UNSAFE_FORMAT (a pickle or
  /// zip archive), ERR_RAT_SAFETENSORS_INVALID.
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  /// In the order of their data in the file.
  const std::vector<TensorEntry>& entries() const { return header_.tensors; }
  bool contains(const std::string& name) const { return index_.count(name) != 0; }

  /// A copy of the tensor in memory of its own, on the CPU, with the file's dtype.
  /// Throws ERR_RAT_MODEL_MISMATCH if there is none of that name or its dtype is none of ours (the table in
  /// the .cc), ERR_RAT_SAFETENSORS_INVALID if the file has shrunk since it was opened.
  at::Tensor read(const std::string& name) const;

 private:
  InputFile file_;
  SafetensorsHeader header_;
  /// Of each name in `entries()`.
  std::map<std::string, std::size_t> index_;
  /// Where the data begins in the file.
  std::int64_t data_start_ = 0;
};

/// Writes a new file, byte for byte as the reference implementation lays it out, and fsyncs it.
/// Tensors of any device and stride; one at a time is copied to the CPU. On failure no file is
/// left. Throws ERR_RAT_INVALID_ARG (a name that occurs twice, is `__metadata__` or not UTF-8; a
/// dtype that the table in the .cc lacks), ERR_RAT_LIMIT (header above 100 MB), ERR_RAT_PATH
/// (`path` exists), ERR_RAT_CHECKPOINT_WRITE.
void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace rat::io
