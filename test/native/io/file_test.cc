// Reading and writing files when something goes wrong: they shrink, exist already, the disk is full. Needs no
// LibTorch. Takes an empty folder as its argument.
#include "io/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "cases.h"

namespace {

using rat::io::InputFile;
using rat::io::OutputFile;
using rat::test::expect_error;
using rat::test::report;

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

void write_file(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

std::string read_file(const std::string& path) {
  const InputFile file(path);
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  return file.read(0, text.data(), text.size()) ? text : "(shorter)";
}

void test_reading(const std::string& folder) {
  write_file(folder + "/a", "0123456789");
  report("writes a file and reads it back", read_file(folder + "/a") == "0123456789" ? "" : "other content");
  char three[3];
  const InputFile file(folder + "/a");
  report("reads from an offset",
         file.read(7, three, 3) && std::string(three, 3) == "789" ? "" : "other content");
  report("reports a read beyond the end", file.read(8, three, 3) ? "was accepted" : "");
  if (::truncate((folder + "/a").c_str(), 4) != 0) report("truncates its own file", "truncate failed");
  report("notices that a file has shrunk", file.read(3, three, 3) ? "was accepted" : "");
  report("rejects a missing file",
         expect_error("ERR_RAT_PATH", "No such file", [&] { InputFile(folder + "/b"); }));
  report("rejects a folder", expect_error("ERR_RAT_PATH", "it is a folder", [&] { InputFile f(folder); }));
  report("rejects an empty path",
         expect_error("ERR_RAT_PATH", "at least one character", [] { InputFile(""); }));
  report("rejects a NUL in a path",
         expect_error("ERR_RAT_PATH", "no NUL", [&] { InputFile(folder + std::string("/a\0b", 4)); }));
  const std::string pipe = folder + "/pipe";
  if (::mkfifo(pipe.c_str(), 0600) != 0) report("makes a named pipe", "mkfifo failed");
  report("rejects a named pipe without waiting",
         expect_error("ERR_RAT_PATH", "not a regular file", [&] { InputFile f(pipe); }));
}

void test_writing(const std::string& folder) {
  write_file(folder + "/kept", "kept");
  report("rejects a path where a file is",
         expect_error("ERR_RAT_PATH", "exists already", [&] { OutputFile(folder + "/kept"); }));
  report("leaves the file that was there", read_file(folder + "/kept") == "kept" ? "" : "it has changed");
  report("rejects a folder that is missing",
         expect_error("ERR_RAT_CHECKPOINT_WRITE", "Cannot create", [&] { OutputFile(folder + "/no/file"); }));
  {
    OutputFile file(folder + "/abandoned");
    file.write("x", 1);
  }
  report("removes a file that was not committed", exists(folder + "/abandoned") ? "it is there" : "");

  // A limit on the size stands for a full disk: the first write is short, the next one fails. Last,
  // since it stays.
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{1000, 1000};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) report("limits the size of files", "setrlimit failed");
  report("rejects a write after a short one", expect_error("ERR_RAT_CHECKPOINT_WRITE", "File too large", [&] {
           write_file(folder + "/large", std::string(1500, 'x'));
         }));
  report("leaves nothing of a file that did not fit", exists(folder + "/large") ? "it is there" : "");
  write_file(folder + "/fits", std::string(1000, 'x'));
  report("still writes what fits", read_file(folder + "/fits").size() == 1000 ? "" : "other size");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  test_reading(argv[1]);
  test_writing(argv[1]);
}
