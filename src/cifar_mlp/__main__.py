from cifar_mlp.cli import main

main()
