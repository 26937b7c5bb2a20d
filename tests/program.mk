# Builds a plain C++ program, without torch, from the sources of a Makefile that includes this:
#
#   PROGRAM   its name
#   SOURCES   its files, beside those of the emulated runtime, which every such program has
#
# Objects are named after the place of their source in the repository, so that programs with one BUILD folder share
# them. The emulated runtime is compiled as one file, as setup.py does, which takes less time.

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
EMULATED := $(ROOT)/csrc/tt/runtime/emulated
SANITIZE ?=
comma := ,
BUILD ?= $(ROOT)/build/tests/$(if $(SANITIZE),$(subst $(comma),-,$(SANITIZE)),plain)

CXXFLAGS ?= -O1 -g1
CXXFLAGS += -std=c++20 -Wall -Wextra -Werror -pthread -MMD -MP
CPPFLAGS += -I$(ROOT)/csrc -I$(EMULATED)/include -I$(ROOT)/tests/cpp
ifneq ($(SANITIZE),)
CXXFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

SOURCES += $(ROOT)/csrc/tt/runtime/device.cpp $(ROOT)/csrc/tt/runtime/capture.cpp
OBJECTS := $(patsubst %.cpp,$(BUILD)/%.o,$(subst $(ROOT)/,,$(abspath $(SOURCES)))) $(BUILD)/emulated.o

.PHONY: all run
all: $(BUILD)/$(PROGRAM)

run: $(BUILD)/$(PROGRAM)
	$(BUILD)/$(PROGRAM) $(TESTS)

$(BUILD)/$(PROGRAM): $(OBJECTS)
	$(CXX) $(CXXFLAGS) $(LDFLAGS) $^ -o $@ -ldl

$(BUILD)/%.o: $(ROOT)/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

# A folder changes when a file is added or removed.
$(BUILD)/emulated.cpp: $(EMULATED) $(wildcard $(EMULATED)/*/)
	@mkdir -p $(@D)
	printf '#include "%s"\n' $(sort $(wildcard $(EMULATED)/*.cpp $(EMULATED)/*/*.cpp)) > $@

$(BUILD)/emulated.o: $(BUILD)/emulated.cpp
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

-include $(OBJECTS:.o=.d)
