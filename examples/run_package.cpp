// Runs a package that AOTInductor compiled: reads a list of tensors, and writes those that the package returns.
//
//   run_package LIBRARY PACKAGE INPUTS OUTPUTS
//
// LIBRARY is libtorch_moe_ttnn.so (torch_moe_ttnn.library_path() in Python); loading it registers the operators. No
// Python takes part. aot_inductor.py builds this program and runs it.

#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <ATen/core/ivalue.h>
#include <dlfcn.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/serialization/pickle.h>

namespace {

std::vector<at::Tensor> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  TORCH_CHECK(file, "cannot read ", path);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const c10::IValue values = torch::jit::pickle_load(bytes);
  std::vector<at::Tensor> tensors;
  for (const c10::IValue& value : values.toListRef()) {
    tensors.push_back(value.toTensor());
  }
  return tensors;
}

void write(const char* path, const std::vector<at::Tensor>& tensors) {
  // A tuple, for torch.load takes a list that says what its elements are for code.
  const auto values = c10::ivalue::Tuple::create(std::vector<c10::IValue>(tensors.begin(), tensors.end()));
  const std::vector<char> bytes = torch::jit::pickle_save(values);
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  TORCH_CHECK(file, "cannot write ", path);
}

}  // namespace

int main(int argc, char** argv) try {
  TORCH_CHECK(argc == 5, "expected LIBRARY PACKAGE INPUTS OUTPUTS, got ", argc - 1, " arguments");
  TORCH_CHECK(dlopen(argv[1], RTLD_NOW) != nullptr, "cannot load ", argv[1], ": ", dlerror());
  torch::inductor::AOTIModelPackageLoader package(argv[2]);
  write(argv[4], package.run(read(argv[3])));
} catch (const c10::Error& error) {
  std::cerr << error.what_without_backtrace() << '\n';
  return 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';  // of the package's own code, which has no c10::Error
  return 1;
}
