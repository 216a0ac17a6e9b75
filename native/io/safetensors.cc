#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <tuple>

#include "core/check.h"
#include "io/json.h"

namespace rat::io {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and is copied as it is");

constexpr const char* kInvalid = "ERR_RAT_SAFETENSORS_INVALID";
constexpr const char* kBadArgument = "ERR_RAT_INVALID_ARG";

struct DtypeName {
  std::string_view name;
  at::ScalarType type;
};

// The dtypes we read and write, by ascending alignment as the reference implementation orders them.
constexpr std::array kDtypes = {
    DtypeName{"BOOL", at::kBool}, DtypeName{"U8", at::kByte},   DtypeName{"I8", at::kChar},
    DtypeName{"I16", at::kShort}, DtypeName{"F16", at::kHalf},  DtypeName{"BF16", at::kBFloat16},
    DtypeName{"I32", at::kInt},   DtypeName{"F32", at::kFloat}, DtypeName{"F64", at::kDouble},
    DtypeName{"I64", at::kLong},
};

// Position in kDtypes, or its size if it is not there.
template <typename Matches>
std::size_t find_dtype(const Matches& matches) {
  return static_cast<std::size_t>(std::find_if(kDtypes.begin(), kDtypes.end(), matches) - kDtypes.begin());
}

// That many bytes were there when the file was opened.
std::string read_text(const InputFile& file, std::int64_t offset, std::int64_t bytes) {
  std::string text(static_cast<std::size_t>(bytes), '\0');
  RAT_CHECK(file.read(offset, text.data(), text.size()), kInvalid,
            "the file was shortened while it was read");
  return text;
}

SafetensorsHeader read_header(const InputFile& file, std::int64_t& data_start) {
  const std::string start = read_text(file, 0, std::min(file.size(), kSafetensorsPrefixBytes + 1));
  RAT_CHECK(!looks_like_pickle(start), "ERR_RAT_UNSAFE_FORMAT", "Cannot read ", file.path(),
            ": it is a pickle or zip archive as torch.save writes it, and reading one runs the code in it. "
            "If you trust it, convert it in Python: "
            "safetensors.torch.save_file(torch.load(path, weights_only=True), \"model.safetensors\")");
  const std::int64_t length = parse_header_length(start, file.size());
  data_start = kSafetensorsPrefixBytes + length;
  return parse_safetensors_header(read_text(file, kSafetensorsPrefixBytes, length), file.size() - data_start);
}

// What goes where in a new file.
struct PlannedTensor {
  std::string_view name;
  const at::Tensor* tensor;
  std::size_t dtype;
};

std::vector<PlannedTensor> plan(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  std::vector<PlannedTensor> planned;
  planned.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    RAT_CHECK(!first_invalid_utf8(name), kBadArgument, "The name of a tensor is not valid UTF-8");
    RAT_CHECK(name != kMetadataKey, kBadArgument, "A tensor cannot be named ", kMetadataKey);
    const std::string quoted = quote_for_message(name);
    RAT_CHECK(tensor.defined() && tensor.layout() == at::kStrided, kBadArgument, "Tensor ", quoted,
              " is undefined or not dense");
    const std::size_t dtype = find_dtype([&](const auto& d) { return d.type == tensor.scalar_type(); });
    RAT_CHECK(dtype < kDtypes.size(), kBadArgument, "Tensor ", quoted, " has dtype ", tensor.scalar_type(),
              ", which cannot be written");
    planned.push_back({name, &tensor, dtype});
  }
  // Descending alignment, then name: all offsets are multiples of their width.
  std::sort(planned.begin(), planned.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
    return std::tie(b.dtype, a.name) < std::tie(a.dtype, b.name);
  });
  std::vector<std::string_view> names;
  for (const PlannedTensor& p : planned) names.push_back(p.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  RAT_CHECK(twice == names.end(), kBadArgument, "Two tensors are named ", quote_for_message(*twice));
  return planned;
}

std::string join(const std::vector<std::string>& pieces) {
  std::string out;
  for (const std::string& piece : pieces) out += (out.empty() ? "" : ",") + piece;
  return out;
}

std::string metadata_json(const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> members;
  for (const auto& [key, value] : metadata) {
    RAT_CHECK(!first_invalid_utf8(key) && !first_invalid_utf8(value), kBadArgument,
              "A key or value of the metadata is not valid UTF-8");
    members.push_back(json_quote(key) + ":" + json_quote(value));
  }
  return "{" + join(members) + "}";
}

std::string tensor_json(const PlannedTensor& planned, std::int64_t begin, std::int64_t end) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : planned.tensor->sizes()) sizes.push_back(std::to_string(size));
  return R"({"dtype":")" + std::string(kDtypes[planned.dtype].name) + R"(","shape":[)" + join(sizes) +
         R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

// Length and JSON, padded with spaces so that the data begins at a multiple of 8.
std::string header_bytes(const std::vector<PlannedTensor>& planned,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> members;
  if (!metadata.empty()) members.push_back(json_quote(kMetadataKey) + ":" + metadata_json(metadata));
  std::int64_t offset = 0;
  for (const PlannedTensor& p : planned) {
    const std::int64_t end = offset + static_cast<std::int64_t>(p.tensor->nbytes());
    members.push_back(json_quote(p.name) + ":" + tensor_json(p, offset, end));
    offset = end;
  }
  std::string json = "{" + join(members) + "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  RAT_CHECK(std::ssize(json) <= kMaxSafetensorsHeaderBytes, "ERR_RAT_LIMIT", "The header would have ",
            json.size(), " bytes, above the format's limit of ", kMaxSafetensorsHeaderBytes);
  std::string prefix;
  for (int shift = 0; shift < 64; shift += 8) {
    prefix.push_back(static_cast<char>(json.size() >> shift & 0xFF));
  }
  return prefix + json;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
  try {
    header_ = read_header(file_, data_start_);
  } catch (const Error& error) {
    // The parser knows no path; what the file itself reports has one.
    if (error.code() != kInvalid) throw;
    rat::fail(kInvalid, "Cannot read ", path, ": ", error.what());
  }
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) index_.emplace(header_.tensors[i].name, i);
}

at::Tensor SafetensorsFile::read(const std::string& name) const {
  const auto found = index_.find(name);
  RAT_CHECK(found != index_.end(), "ERR_RAT_MODEL_MISMATCH", path(), " has no tensor ",
            quote_for_message(name));
  const TensorEntry& entry = header_.tensors[found->second];
  const std::size_t dtype = find_dtype([&](const auto& d) { return d.name == entry.dtype; });
  RAT_CHECK(dtype < kDtypes.size(), "ERR_RAT_MODEL_MISMATCH", path(), ": tensor ", quote_for_message(name),
            " has dtype ", entry.dtype, ", which cannot be read; convert it to F32");
  // A bool that is neither 0 nor 1 is undefined in C++, and the file may hold any byte.
  const bool is_bool = kDtypes[dtype].type == at::kBool;
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions(is_bool ? at::kByte : kDtypes[dtype].type));
  RAT_CHECK(file_.read(data_start_ + entry.begin, tensor.data_ptr(),
                       static_cast<std::size_t>(entry.end - entry.begin)),
            kInvalid, path(), " was shortened while tensor ", quote_for_message(name), " was read");
  return is_bool ? tensor.ne(0) : tensor;
}

void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<PlannedTensor> planned = plan(tensors);
  const std::string header = header_bytes(planned, metadata);
  OutputFile file(path);
  file.write(header.data(), header.size());
  for (const PlannedTensor& p : planned) {
    const at::Tensor bytes = p.tensor->detach().to(at::kCPU).contiguous();
    file.write(bytes.const_data_ptr(), bytes.nbytes());
  }
  file.commit();
}

}  // namespace rat::io
