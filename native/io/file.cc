#include "io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/check.h"

namespace rat::io {
namespace {

// Linux moves at most 2^31 - 4096 bytes in one call and macOS refuses 2^31.
constexpr std::size_t kMaxBytesPerCall = std::size_t{1} << 29;

// The text of `errno` (std::strerror is not safe with threads).
std::string system_message() { return std::generic_category().message(errno); }

// The system would read the path only up to a NUL and open another file.
const char* c_path(const std::string& path) {
  RAT_CHECK(!path.empty() && path.find('\0') == std::string::npos, "ERR_RAT_PATH",
            "a path must have at least one character and no NUL");
  return path.c_str();
}

// Calls `call` again for as long as a signal interrupts it.
template <typename Call>
auto retry_interrupted(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ != -1) ::close(fd_);
}

int FileDescriptor::release() { return std::exchange(fd_, -1); }

// O_NONBLOCK: opening a named pipe would otherwise wait for a writer. It means nothing to a regular file.
InputFile::InputFile(const std::string& path)
    : path_(path),
      fd_(retry_interrupted([&] { return ::open(c_path(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK); })) {
  struct stat status{};
  RAT_CHECK(fd_.get() != -1 && ::fstat(fd_.get(), &status) == 0, "ERR_RAT_PATH", "Cannot open ", path, ": ",
            system_message());
  RAT_CHECK(S_ISREG(status.st_mode), "ERR_RAT_PATH", "Cannot read ", path, ": it is ",
            S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
  size_ = status.st_size;
}

bool InputFile::read(std::int64_t offset, void* out, std::size_t bytes) const {
  auto* to = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t count =
        retry_interrupted([&] { return ::pread(fd_.get(), to, std::min(bytes, kMaxBytesPerCall), offset); });
    RAT_CHECK(count != -1, "ERR_RAT_PATH", "Cannot read ", path_, ": ", system_message());
    if (count == 0) return false;
    to += count;
    offset += count;
    bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

OutputFile::OutputFile(const std::string& path)
    : path_(path), fd_(retry_interrupted([&] {
        return ::open(c_path(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      })) {
  if (fd_.get() != -1) return;
  RAT_CHECK(errno != EEXIST, "ERR_RAT_PATH", "Cannot write ", path, ": it exists already");
  fail("create");
}

OutputFile::~OutputFile() {
  if (!is_committed_) ::unlink(path_.c_str());
}

void OutputFile::write(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t count =
        retry_interrupted([&] { return ::write(fd_.get(), from, std::min(bytes, kMaxBytesPerCall)); });
    // No file system should take nothing without saying why; asking for ever would be worse.
    if (count == 0) errno = EIO;
    if (count <= 0) fail("write");
    from += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

void OutputFile::commit() {
  if (retry_interrupted([&] { return ::fsync(fd_.get()); }) == -1) fail("fsync");
  // Not again after EINTR: the descriptor is closed by then and may be somebody else's.
  if (::close(fd_.release()) == -1 && errno != EINTR) fail("close");
  is_committed_ = true;
}

void OutputFile::fail(const char* action) const {
  rat::fail("ERR_RAT_CHECKPOINT_WRITE", "Cannot ", action, " ", path_, ": ", system_message());
}

}  // namespace rat::io
