// Files with every return value checked: short reads and writes, EINTR, and what only fsync or close
// report. Reads go into memory we own, never a mapping: a file that shrinks while it is mapped kills the
// process. No LibTorch here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rat::io {

/// A descriptor that is closed with its owner. -1 is none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  /// Gives up the descriptor: the caller closes it.
  int release();

 private:
  int fd_;
};

/// A regular file open for reading. Calls from several threads do not disturb each other.
class InputFile {
 public:
  /// Throws ERR_RAT_PATH if there is none, it cannot be read or it is no regular file (a pipe would block).
  explicit InputFile(const std::string& path);

  const std::string& path() const { return path_; }
  /// Bytes when it was opened.
  std::int64_t size() const { return size_; }
  /// Reads exactly `bytes` from `offset`; false if the file ends before that, because it has shrunk.
  /// Throws ERR_RAT_PATH if the system reports an error.
  [[nodiscard]] bool read(std::int64_t offset, void* out, std::size_t bytes) const;

 private:
  std::string path_;
  FileDescriptor fd_;
  std::int64_t size_ = 0;
};

/// A new file that exists completely or not at all: unless `commit` returns, the destructor removes it.
/// A kill in between leaves a part of it, so that a caller who cannot have that writes beside the
/// target and renames.
class OutputFile {
 public:
  /// Throws ERR_RAT_PATH if something exists at `path`, ERR_RAT_CHECKPOINT_WRITE if it cannot be created.
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Both throw ERR_RAT_CHECKPOINT_WRITE with the system's words (no space left on device, ...).
  void write(const void* data, std::size_t bytes);
  /// fsync and close. Only then is the file there to stay; its folder's entry is for the caller to fsync.
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;

  std::string path_;
  FileDescriptor fd_;
  bool is_committed_ = false;
};

}  // namespace rat::io
