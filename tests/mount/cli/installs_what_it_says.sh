# What `make test` and `make demo` are about to install one line says, before anything is; where nothing is missing nothing is said.
# mount: none
needs_root
mkdir bin
export PATH=$PWD/bin:$PATH MISSING="attr meson" CUDA_HOME=$PWD/cuda
mkdir -p cuda/include
echo '#define CUDA_VERSION 13000' > cuda/include/cuda.h
cat > bin/dpkg-query << 'STUB'
#!/bin/bash
[[ " $MISSING " == *" ${!#} "* ]] || printf installed
STUB
cat > bin/apt-get << 'STUB'
#!/bin/bash
echo "apt-get $*"
STUB
cp bin/apt-get bin/apt-cache
chmod +x bin/*
mkdir -p tree/tools tree/.venv/bin
cp "$TESTS/../../tools/deps.sh" tree/tools
printf '#!/bin/sh\n' > tree/.venv/bin/python # it has all that is asked of it
chmod +x tree/.venv/bin/python
tree/tools/deps.sh install > said 2>&1
is "$(head -n 1 said)" "deps: about to install attr meson (apt-get)"
is "$(grep -c "^deps: about" said)" 1
is "$(grep -o "^apt-get install .*" said | grep -oE "attr|meson" | tr '\n' ' ')" "attr meson "
tree/tools/deps.sh install-programs > said 2>&1
is "$(head -n 1 said)" "deps: about to install attr (apt-get)"
fails grep meson said
MISSING=
nothing tree/tools/deps.sh install
quiet tree/tools/deps.sh install-programs
# What comes from elsewhere, too.
unset CUDA_HOME
rm tree/.venv/bin/python
printf '#!/bin/sh\nexit 1\n' > tree/.venv/bin/python
printf '#!/bin/sh\necho pip "$@"\n' > tree/.venv/bin/pip
chmod +x tree/.venv/bin/*
tree/tools/deps.sh install > said 2>&1
[[ $(head -n 1 said) == "deps: about to install CUDA's headers and nvcc (PyPI, into .cuda/: nvidia-"*"), pytest "*"(PyPI, into .venv/)" ]]
is "$(grep -c "^pip install" said)" 2
